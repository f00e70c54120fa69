"""The next item against others, in the ways that a model can choose. Only the items that are compared are encoded."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.training.batch import Batch
from engine.training.needs import Needs, Settings, View
from models.blocks.shared_settings import Calibration, LogQ, Negatives, Shared, SharedPower
from models.blocks.softmax import LOSSES

DRAWN = ("bpr", "bce", "gbce")  # objectives by what they compare with
SHARED = ("bce_popular", "sampled", "bpr_max")
DENSE = 64  # items for each drawn one up to which a product with all is faster than with those that were drawn
Encode = Callable[[Tensor | None], Tensor]  # some items, or all (None), to key_UE


class Rivals(Settings):
    """What a target is compared with, where the objective draws."""

    shared: Shared = 2048
    shared_power: SharedPower = 0.75
    logq: LogQ = True
    negatives: Negatives = 1
    calibration: Calibration = 0.75

    def draws(self, objective: str, length: int, ahead: int = 1, views: frozenset[View] = frozenset()) -> Needs:
        """Histories of a length, views, and what is drawn for an objective."""
        return Needs(
            length=length,
            ahead=ahead,
            views=views,
            negatives=self.negatives if objective in DRAWN else 0,
            shared=self.shared if objective in SHARED else 0,
            shared_power=self.shared_power,
        )


def compare(objective: str, state_BLE: Tensor, key_NE: Tensor, batch: Batch, rivals: Rivals) -> Tensor:
    """The mean loss over the batch's targets, a scalar; `key_NE` are the vectors of all items, 0 first.

    `full`, `chunked`: a softmax over the catalog. `sampled`: over the target and the batch's shared items, with `logq`
    an estimate of the same, without it a softmax cut to these. `bce`: over drawn items. `gbce`: Petrov and Macdonald
    (RecSys 2023): (beta softplus(-own) + the sum of softplus(other)) / (K + 1) over K drawn items, where
    beta = 1 - t (1 - K / (items - 1)) takes back the overconfidence that comes of comparing with so few.

    Raises:
        ValueError: the batch has no targets, or none of what is drawn for the objective.
    """
    if batch.target_BL is None:
        raise ValueError("a batch without targets has no loss")
    asked_BL = batch.target_BL > 0
    state_PE, target_P = state_BLE[asked_BL], batch.target_BL[asked_BL]
    if objective not in DRAWN:
        if not rivals.logq and batch.expected_S is not None:
            batch = batch.but(expected_S=torch.zeros_like(batch.expected_S))
        return LOSSES[objective](state_PE, key_NE[1:], target_P, batch)
    own_P, other_PK = (state_PE * key_NE[target_P]).sum(-1), _met(state_PE, key_NE, _drawn(objective, batch, asked_BL))
    if objective == "bce":
        return (F.softplus(-own_P) + F.softplus(other_PK).sum(-1)).mean()
    drawn, items = other_PK.shape[1], len(key_NE) - 1
    beta = 1 - rivals.calibration * (1 - min(drawn / max(items - 1, 1), 1))
    return ((beta * F.softplus(-own_P) + F.softplus(other_PK).sum(-1)) / (drawn + 1)).mean()


def _met(state_PE: Tensor, key_NE: Tensor, item_PK: Tensor) -> Tensor:
    """score_PK; through the scores of all items where these are few."""
    if len(key_NE) <= DENSE * item_PK.shape[1]:
        return (state_PE @ key_NE.T).gather(1, item_PK)
    return torch.einsum("pe,pke->pk", state_PE, F.embedding(item_PK, key_NE))


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
