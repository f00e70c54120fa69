"""The next item against others, in the ways that a model can choose. Only the items that are compared are encoded."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.training.batch import Batch
from models.blocks.softmax import LOSSES

DRAWN, SHARED = ("bpr", "bce"), ("bce_popular", "sampled")  # objectives by what they compare with
Encode = Callable[[Tensor | None], Tensor]  # some items, or all (None), to key_UE


def against(objective: str, state_BLE: Tensor, encode: Encode, batch: Batch, weight: float = 1.0) -> Tensor:
    """The mean loss over the batch's targets, a scalar.

    `bpr`: softplus of how much the drawn items of each target outscore it. `bce`: softplus(-own) + the sum of
    softplus(other) over them. `bce_popular`: + `weight` times its mean over the shared items, which are drawn by
    popularity, the target itself left out. Else a softmax over the catalog.

    Raises:
        ValueError: the batch has no targets, or none of what is drawn for the objective.
    """
    if batch.target_BL is None:
        raise ValueError("a batch without targets has no loss")
    asked_BL = batch.target_BL > 0
    state_PE, target_P = state_BLE[asked_BL], batch.target_BL[asked_BL]
    if objective in ("full", "chunked"):
        return LOSSES[objective](state_PE, encode(None)[1:], target_P, batch)
    other = _drawn(objective, batch, asked_BL)
    item_U, place = torch.unique(torch.cat([target_P, other.flatten()]), return_inverse=True)
    key_UE, own_P, other_place = encode(item_U), place[: len(target_P)], place[len(target_P) :].view_as(other)
    if objective == "sampled":
        return LOSSES["sampled"](state_PE, key_UE, own_P + 1, batch.but(shared_S=other_place + 1))
    score_P1 = (state_PE * F.embedding(own_P, key_UE)).sum(-1, keepdim=True)
    if objective in DRAWN:
        other_PK = torch.einsum("pe,pke->pk", state_PE, F.embedding(other_place, key_UE))
        if objective == "bpr":
            return F.softplus(other_PK - score_P1).mean()
        return (F.softplus(-score_P1[:, 0]) + F.softplus(other_PK).sum(1)).mean()
    miss_PS = other != target_P[:, None]
    other_PS = F.softplus(state_PE @ key_UE[other_place].T) * miss_PS
    return (F.softplus(-score_P1[:, 0]) + weight * other_PS.sum(1) / miss_PS.sum(1).clamp(min=1)).mean()


def _drawn(objective: str, batch: Batch, asked_BL: Tensor) -> Tensor:
    """other_PK of each target, or other_S of the batch."""
    if objective in DRAWN:
        if batch.negative_BLK is None:
            raise ValueError(f"{objective} compares with drawn items; the batch has none")
        return batch.negative_BLK[asked_BL]
    if batch.shared_S is None:
        raise ValueError(f"{objective} compares with shared items; the batch has none")
    return batch.shared_S
