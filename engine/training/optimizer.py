"""Adam as every model learns by it."""

import torch
from torch import nn

from engine.training.schedule import Train


def adam(model: nn.Module, settings: Train, device: str) -> torch.optim.Optimizer:
    """Adam over all parameters; matrices alone are drawn to zero."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 2 * settings.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    fused = device == "cpu"  # a card's own choice is as fast, and lets precision scale
    return torch.optim.Adam([g for g in groups if g["params"]], lr=settings.lr, fused=fused)
