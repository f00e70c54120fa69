"""What an event's logit gains by its age: how many events, of whatever item, lie between it and the target.

recency_P holds the gain of each age, from 0, the newest; what is older than its last place gains as much as that. An
event of presence m makes those before it older with the probability m, and they gain what is to be expected: 0 is as
one that never was, and between 0 and 1 the gain is a straight line in each presence.
"""

import torch
from numba import njit
from torch import Tensor
from torch.nn import functional as F

from models.blocks.asked import Asked


def gains(recency_P: Tensor, asked: Asked) -> Tensor:
    """gain_BTL of each event for each target, whose item is not read; of events that do not count it says nothing."""
    if asked.presence_BL is not None:
        return _expected(recency_P, asked, asked.presence_BL.to(recency_P.dtype))
    step_L = torch.arange(asked.item_BL.shape[1] + 1, device=recency_P.device)
    age_SL = (step_L[:, None] - 1 - step_L[:-1]).clamp(0, len(recency_P) - 1)  # after so many events
    return F.embedding(asked.seen_BT, recency_P[age_SL])


def _expected(recency_P: Tensor, asked: Asked, presence_BL: Tensor) -> Tensor:
    """From the newest event on: by_age_BTP is what one would gain that so many more lie before."""
    by_age_BTP = recency_P.expand(*asked.seen_BT.shape, -1)
    gain_BTL = [recency_P.new_zeros(*asked.seen_BT.shape, 0)]
    for step in reversed(range(asked.item_BL.shape[1])):
        gain_BTL.append(by_age_BTP[..., :1])
        older_BTP = torch.cat([by_age_BTP[..., 1:], by_age_BTP[..., -1:]], -1)
        there_BT = presence_BL[:, step, None] * (step < asked.seen_BT)
        by_age_BTP = torch.lerp(by_age_BTP, older_BTP, there_BT[..., None])
    return torch.cat(gain_BTL[::-1], -1)


@njit(cache=True)
def raise_logits(logit_S, recency_P):  # type: ignore[no-untyped-def]
    """Adds to the logits of the events before a target what they gain; where there are no gains nothing."""
    last = len(recency_P) - 1
    if last >= 0:
        for place in range(len(logit_S)):
            logit_S[place] += recency_P[min(len(logit_S) - 1 - place, last)]


@njit(cache=True)
def pull_gains(recency_grad_P, weight_S, similar_L, pull):  # type: ignore[no-untyped-def]
    """The gradients of one target by the gains, which are those by its logits: `pairwise` says which."""
    slope, mean = pull
    last = len(recency_grad_P) - 1
    if last >= 0:
        for place in range(len(weight_S)):
            by_logit = slope * weight_S[place] * (similar_L[place] - mean)
            recency_grad_P[min(len(weight_S) - 1 - place, last)] += by_logit
