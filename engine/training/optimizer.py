"""The optimiser of a model."""

import torch
from torch import nn

from engine.training.schedule import Train


def adam(model: nn.Module, settings: Train, device: str) -> torch.optim.Adam:
    """Adam, whose weight decay is of matrices alone."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 2 * settings.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    fused = device == "cpu"  # a card's own choice is as fast, and lets precision scale
    return torch.optim.Adam([group for group in groups if group["params"]], lr=settings.lr, fused=fused)
