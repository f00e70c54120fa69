"""Softmax and mean over the parts that are there; over none of them both are zero, never NaN."""

import torch
from torch import Tensor


def softmax(logit: Tensor, valid: Tensor, dim: int = -1) -> Tensor:
    """Shares over `dim` that sum to 1 over the valid parts and are exactly 0 elsewhere."""
    kept = logit.masked_fill(~valid, torch.finfo(logit.dtype).min)
    return torch.softmax(kept, dim) * valid


def mean(value: Tensor, valid: Tensor) -> Tensor:
    """The mean over the last axis but one of value [..., X, D], over its valid parts [..., X]."""
    count = valid.sum(-1, keepdim=True).clamp(min=1)
    return (value * valid[..., None]).sum(-2) / count
