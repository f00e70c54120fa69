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


def prefixes(batch: Batch, share: float) -> tuple[Batch, Tensor]:
    """The rows cut after a number of events, each number as likely, and hidden_BL: the last of them and some before.

    All rows are cut at the same part of their length, so that they come out narrower.
    """
    valid_BL, length_B = batch.valid_BL, batch.length_B
    noise_BL = torch.ones(valid_BL.shape, device=valid_BL.device)
    noise_BL[valid_BL] = torch.rand(int(length_B.sum()), device=valid_BL.device)
    kept_B = torch.minimum((torch.rand(1, device=valid_BL.device) * length_B).long() + 1, length_B)
    step_L = torch.arange(int(kept_B.max()) if len(kept_B) else 0, device=valid_BL.device)
    inside_BL, span = step_L < kept_B[:, None], slice(len(step_L))
    hidden_BL = ((noise_BL[:, span] < share) | (step_L == kept_B[:, None] - 1)) & inside_BL
    negative_BLK = None if batch.negative_BLK is None else batch.negative_BLK[:, span]
    cut = batch.but(
        item_BL=batch.item_BL[:, span] * inside_BL,
        event_BL=batch.event_BL[:, span] * inside_BL,
        length_B=kept_B,
        negative_BLK=negative_BLK,
    )
    return cut, hidden_BL


def segments(batch: Batch) -> tuple[Tensor, Tensor]:
    """inside_BL: one stretch of each row, up to half of it, anywhere; none of a row of one event. foreign_BL: as many
    events one after the other from somewhere in the batch.
    """
    length_B, valid_BL = batch.length_B, batch.valid_BL
    size_R, start_R, offset_R = torch.rand(3, len(length_B), device=valid_BL.device)
    half_B = length_B // 2
    size_B = torch.minimum((size_R * half_B).long() + 1, half_B)
    start_B = torch.minimum((start_R * (length_B - size_B + 1)).long(), length_B - size_B)[:, None]
    step_L = torch.arange(valid_BL.shape[1], device=valid_BL.device)
    inside_BL = (step_L >= start_B) & (step_L < start_B + size_B[:, None])
    item_X = batch.item_BL[valid_BL]
    place_BL = ((offset_R * len(item_X)).long()[:, None] + step_L) % max(len(item_X), 1)
    return inside_BL, item_X[place_BL]
