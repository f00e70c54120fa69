"""Events that are hidden in order to be guessed."""

import torch
from torch import Tensor

from engine.training.batch import Batch


def masked(batch: Batch, share: float, last: float) -> Tensor:
    """hidden_BL: a share of each row's events, at least one; in a share `last` of the rows, the last one alone.

    What is drawn does not hang on how far rows are padded.
    """
    length_B, valid_BL = batch.length_B, batch.valid_BL
    noise_BL = torch.full(valid_BL.shape, 2.0, device=valid_BL.device)
    noise_BL[valid_BL] = torch.rand(int(length_B.sum()), device=valid_BL.device)
    rank_BL = noise_BL.argsort(1).argsort(1)
    only_B = torch.rand(len(length_B), device=valid_BL.device) < last
    count_B = (length_B * share).round().clamp(min=1)
    ends_BL = torch.arange(valid_BL.shape[1], device=valid_BL.device) == length_B[:, None] - 1
    return torch.where(only_B[:, None], ends_BL, rank_BL < count_B[:, None]) & valid_BL
