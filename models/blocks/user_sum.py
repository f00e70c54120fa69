"""Item similarity of even weights by the sum of a history's vectors: as many steps as targets, not as pairs (FISM).

score of j after n events = ((sum of their p) - c p_j) · q_j · (n - c)^-power + b_j, where c of the events are j itself.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor
from torch.nn import functional as F

from models.blocks.asked import Asked

FAST = {"reassoc", "contract", "nsz"}  # sums in any order; nan stays nan
CELLS = 1 << 24  # of [rows, targets, width] at a time
NONE = 1e-5  # so little presence is as none: what is left of a sum that should be 0 is rounding


def scores(past_ND: Tensor, target_ND: Tensor, bias_N: Tensor | None, asked: Asked, power: float) -> Tensor:
    """score_BT, 0 where nothing is asked.

    On a CPU in 32 bits by a compiled loop, with its gradients, where events have no presence.
    """
    plain = all(t.device.type == "cpu" and t.dtype == torch.float32 for t in (past_ND, target_ND))
    if asked.presence_BL is None and plain:
        bias_N = past_ND.new_zeros(len(past_ND)) if bias_N is None else bias_N
        where = (asked.item_BL, asked.target_BT, asked.seen_BT)
        score_BT: Tensor = _Compiled.apply(where, power, past_ND, target_ND, bias_N)  # type: ignore[no-untyped-call]
        return score_BT
    targets = max(CELLS // max(len(asked.item_BL) * past_ND.shape[1], 1), 1)
    score_BT = torch.cat([_some(past_ND, target_ND, part, power) for part in asked.parts(targets)], 1)
    return score_BT if bias_N is None else score_BT + bias_N[asked.target_BT] * (asked.target_BT > 0)


def score_all(past_ND: Tensor, target_ND: Tensor, bias_N: Tensor | None, asked: Asked, power: float) -> Tensor:
    """score_BN of all items after all that each row of `asked` holds (its targets are not read); 0 of padding."""
    there_BL = _there(asked, past_ND)
    count_B1 = there_BL.sum(1, keepdim=True)
    sum_BD = F.embedding_bag(asked.item_BL, past_ND, mode="sum", per_sample_weights=there_BL)
    bias_1N = past_ND.new_zeros(1, len(past_ND)) if bias_N is None else bias_N[None]
    if not torch.is_grad_enabled():  # as if the history held none of the targets; then those that it holds
        score_BN = torch.addmm(bias_1N, _shared(sum_BD, count_B1, power), target_ND.T)
        score_BN[:, 0] = 0
        seen_BL = asked.item_BL.new_full(asked.item_BL.shape, asked.item_BL.shape[1])
        held = replace(asked, target_BT=asked.item_BL, seen_BT=seen_BL)
        return score_BN.scatter_(1, asked.item_BL, scores(past_ND, target_ND, bias_N, held, power))
    own_BN = there_BL.new_zeros(len(there_BL), len(past_ND)).scatter_add(1, asked.item_BL, there_BL)
    like_BN = sum_BD @ target_ND.T - own_BN * (past_ND * target_ND).sum(1)
    score_BN = _shared(like_BN, count_B1 - own_BN, power) + bias_1N
    return score_BN * (torch.arange(len(past_ND), device=score_BN.device) > 0)


def _there(asked: Asked, like: Tensor) -> Tensor:
    """The presence of each event [B, L]."""
    there_BL = (asked.item_BL > 0).to(like.dtype)
    return there_BL if asked.presence_BL is None else there_BL * asked.presence_BL


def _shared(like: Tensor, count: Tensor, power: float) -> Tensor:
    """like · count^-power, and 0 where there is nothing."""
    share = count.clamp(min=NONE) ** -power if power else torch.ones_like(count)
    return like * share * (count > NONE)


def _some(past_ND: Tensor, target_ND: Tensor, asked: Asked, power: float) -> Tensor:
    """The scores written out, without biases."""
    there_BL = _there(asked, past_ND)
    seen_BT = asked.seen_BT.clamp(max=asked.item_BL.shape[1])
    row_B1 = torch.arange(len(seen_BT), device=seen_BT.device)[:, None]
    run_BLD = F.pad((past_ND[asked.item_BL] * there_BL[..., None]).cumsum(1), (0, 0, 1, 0))
    count_BL = F.pad(there_BL.cumsum(1), (1, 0))
    own_BT = _own(asked, there_BL, seen_BT, len(past_ND))
    sum_BTD = run_BLD[row_B1, seen_BT] - own_BT[..., None] * past_ND[asked.target_BT]
    like_BT = (sum_BTD * target_ND[asked.target_BT]).sum(-1)
    return _shared(like_BT, count_BL[row_B1, seen_BT] - own_BT, power) * (asked.target_BT > 0)


def _own(asked: Asked, there_BL: Tensor, seen_BT: Tensor, items: int) -> Tensor:
    """How much of the first `seen` events of a row is each target itself, by a search among (row, item, step)."""
    rows, span = there_BL.shape
    row_B1 = torch.arange(rows, device=seen_BT.device)[:, None]
    key_BL = (row_B1 * items + asked.item_BL) * (span + 1) + torch.arange(span, device=seen_BT.device)
    key_E, order_E = key_BL.flatten().sort()
    run_E = F.pad(there_BL.flatten()[order_E].cumsum(0), (1, 0))
    first_BT = (row_B1 * items + asked.target_BT) * (span + 1)
    return run_E[torch.searchsorted(key_E, first_BT + seen_BT)] - run_E[torch.searchsorted(key_E, first_BT)]


class _Compiled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, where: tuple[Tensor, Tensor, Tensor], power: float, *tables: Tensor) -> Tensor:
        """score_BT."""
        ctx.save_for_backward(*where, *tables)
        ctx.power = power
        score_BT = torch.zeros(where[1].shape)
        _score(_arrays(tables), _arrays(where), _shares(where[0].shape[1], power), score_BT.numpy())
        return score_BT

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, slope_BT: Tensor) -> tuple[Tensor | None, ...]:
        """Of past, targets and biases."""
        where, tables = ctx.saved_tensors[:3], ctx.saved_tensors[3:]
        grads = [torch.zeros_like(table) for table in tables]
        share_L = _shares(where[0].shape[1], ctx.power)
        _pull(_arrays(tables), _arrays(grads), _arrays(where), share_L, slope_BT.contiguous().numpy())
        return None, None, *grads


def _arrays(tensors: Any) -> tuple[np.ndarray, ...]:
    return tuple(tensor.detach().contiguous().numpy() for tensor in tensors)


def _shares(span: int, power: float) -> np.ndarray:
    """count^-power of each count up to `span`."""
    share_L: np.ndarray = (np.maximum(np.arange(span + 1), 1.0) ** -power).astype(np.float32)
    return share_L


@njit(fastmath=FAST, cache=True)
def _score(tables, where, share_L, score_BT):  # type: ignore[no-untyped-def]
    """Writes score_BT."""
    past_ND, target_ND, bias_N = tables
    item_BL, target_BT, seen_BT = where
    own_N, sum_D = np.zeros(len(past_ND), np.int64), np.zeros(past_ND.shape[1], np.float32)
    for b in range(target_BT.shape[0]):
        at = 0
        sum_D[:] = 0
        for t in range(target_BT.shape[1]):
            asked = target_BT[b, t]
            if asked == 0:
                continue
            at = _read(past_ND, item_BL[b], at, seen_BT[b, t], sum_D, own_N)
            own, like = np.float32(own_N[asked]), np.float32(0)
            for d in range(len(sum_D)):
                like += (sum_D[d] - own * past_ND[asked, d]) * target_ND[asked, d]
            score_BT[b, t] = bias_N[asked]
            if at > own_N[asked]:  # else what is left of the sum is rounding
                score_BT[b, t] += like * share_L[at - own_N[asked]]
        own_N[item_BL[b, :at]] = 0


@njit(fastmath=FAST, cache=True)
def _read(past_ND, item_L, at, seen, sum_D, own_N):  # type: ignore[no-untyped-def]
    """Moves the sum and the counts from the first `at` events to the first `seen`; gives how many they are."""
    while at < min(seen, len(item_L)) and item_L[at] > 0:
        own_N[item_L[at]] += 1
        for d in range(len(sum_D)):
            sum_D[d] += past_ND[item_L[at], d]
        at += 1
    while at > seen:
        at -= 1
        own_N[item_L[at]] -= 1
        for d in range(len(sum_D)):
            sum_D[d] -= past_ND[item_L[at], d]
    return at


@njit(fastmath=FAST, cache=True)
def _pull(tables, grads, where, share_L, slope_BT):  # type: ignore[no-untyped-def]
    """Adds the gradients: of targets one by one, of each event those of all targets that read it, in one sum."""
    past_ND, target_ND, _ = tables
    past_grad_ND, target_grad_ND, bias_grad_N = grads
    item_BL, target_BT, seen_BT = where
    own_N, sum_D = np.zeros(len(past_ND), np.int64), np.zeros(past_ND.shape[1], np.float32)
    back_LD = np.zeros((item_BL.shape[1] + 1, len(sum_D)), np.float32)  # of the targets that read so many
    for b in range(target_BT.shape[0]):
        at, most = 0, 0
        sum_D[:] = 0
        for t in range(target_BT.shape[1]):
            asked = target_BT[b, t]
            if asked == 0:
                continue
            at = _read(past_ND, item_BL[b], at, seen_BT[b, t], sum_D, own_N)
            most = max(most, at)
            own, left = np.float32(own_N[asked]), at - own_N[asked]
            pull = slope_BT[b, t] * share_L[left] if left else np.float32(0)
            bias_grad_N[asked] += slope_BT[b, t]
            for d in range(len(sum_D)):
                target_grad_ND[asked, d] += pull * (sum_D[d] - own * past_ND[asked, d])
            for d in range(len(sum_D)):
                back_LD[at, d] += pull * target_ND[asked, d]
            if own:
                for d in range(len(sum_D)):
                    past_grad_ND[asked, d] -= pull * own * target_ND[asked, d]
        own_N[item_BL[b, :most]] = 0
        sum_D[:] = 0
        for place in range(most, 0, -1):
            for d in range(len(sum_D)):
                sum_D[d] += back_LD[place, d]
            back_LD[place] = 0
            past_grad_ND[item_BL[b, place - 1]] += sum_D
        back_LD[0] = 0
