"""The loop over targets of item similarity of even weights, compiled; as in `user_sum`, which says what is computed.

Tables are p, q [N, D] and biases [N]; where are item_BL, target_BT, first_BT
and seen_BT.
"""

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

Tables = tuple[Tensor, Tensor, Tensor]
Where = tuple[Tensor, Tensor, Tensor, Tensor]
FAST = {"reassoc", "contract", "nsz"}  # sums in any order; nan stays nan
MORE, LESS = np.float32(1), np.float32(-1)


def scores(tables: Tables, where: Where, power: float) -> Tensor:
    """score_BT, with gradients."""
    score_BT: Tensor = _Scores.apply(where, power, *tables)  # type: ignore[no-untyped-call]
    return score_BT


def log_loss(tables: Tables, where: Where, label_BT: Tensor, power: float) -> Tensor:
    """The sum of the log losses of all targets; loss and gradients in one pass."""
    loss: Tensor = _LogLoss.apply(where, label_BT, power, *tables)  # type: ignore[no-untyped-call]
    return loss


class _Scores(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, where: Where, power: float, *tables: Tensor) -> Tensor:
        """score_BT."""
        ctx.save_for_backward(*where, *tables)
        ctx.power = power
        score_BT = torch.zeros(where[1].shape)
        _score(_arrays(tables), _arrays(where), _shares(where[0], power), score_BT.numpy())
        return score_BT

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, slope_BT: Tensor) -> tuple[Tensor | None, ...]:
        """Of past, targets and biases."""
        where, tables = ctx.saved_tensors[:4], ctx.saved_tensors[4:]
        grads = [torch.zeros_like(table) for table in tables]
        given = (*_arrays(where), slope_BT.contiguous().numpy())
        _learn(_arrays(tables), _arrays(grads), given, _shares(where[0], ctx.power), False)
        return None, None, *grads


class _LogLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, where: Where, label_BT: Tensor, power: float, *tables: Tensor) -> Tensor:
        """The loss; the gradients are kept."""
        grads = [torch.zeros_like(table) for table in tables]
        given = _arrays((*where, label_BT))
        loss: float = _learn(_arrays(tables), _arrays(grads), given, _shares(where[0], power), True)
        ctx.save_for_backward(*grads)
        return tables[0].new_tensor(loss)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """The kept gradients, scaled: they are no one else's."""
        return None, None, None, *(each.mul_(grad) for each in ctx.saved_tensors)


def _arrays(tensors: Any) -> tuple[np.ndarray, ...]:
    return tuple(tensor.detach().contiguous().numpy() for tensor in tensors)


def _shares(item_BL: Tensor, power: float) -> np.ndarray:
    """count^-power of each count up to the rows' length; 0 of none, where what is left of a sum is rounding."""
    count_L = np.arange(item_BL.shape[1] + 1)
    share_L: np.ndarray = (np.maximum(count_L, 1.0) ** -power * (count_L > 0)).astype(np.float32)
    return share_L


@njit(fastmath=FAST, cache=True)
def _read(past_ND, item_L, at, seen, sum_D, own_N, sign):  # type: ignore[no-untyped-def]
    """Moves the sum and the counts, times `sign`, from the first `at` events to the first `seen`; gives how many."""
    while at < min(seen, len(item_L)) and item_L[at] > 0:
        own_N[item_L[at]] += np.int64(sign)
        for d in range(len(sum_D)):
            sum_D[d] += sign * past_ND[item_L[at], d]
        at += 1
    while at > seen:
        at -= 1
        own_N[item_L[at]] -= np.int64(sign)
        for d in range(len(sum_D)):
            sum_D[d] -= sign * past_ND[item_L[at], d]
    return at


@njit(fastmath=FAST, cache=True)
def _like(tables, asked, sum_D, own):  # type: ignore[no-untyped-def]
    """(sum - own p) · q; most targets are not in the history, and their p is not fetched."""
    past_ND, target_ND, _ = tables
    like = np.float32(0)
    for d in range(len(sum_D)):
        like += sum_D[d] * target_ND[asked, d]
    if own:
        for d in range(len(sum_D)):
            like -= own * past_ND[asked, d] * target_ND[asked, d]
    return like


@njit(fastmath=FAST, cache=True)
def _score(tables, where, share_L, score_BT):  # type: ignore[no-untyped-def]
    """Writes score_BT."""
    past_ND, _, bias_N = tables
    item_BL, target_BT, first_BT, seen_BT = where
    own_N, sum_D = np.zeros(len(past_ND), np.int64), np.zeros(past_ND.shape[1], np.float32)
    for b in range(target_BT.shape[0]):
        left, at, most = 0, 0, 0
        sum_D[:] = 0
        for t in range(target_BT.shape[1]):
            asked = target_BT[b, t]
            if asked == 0:
                continue
            at = _read(past_ND, item_BL[b], at, seen_BT[b, t], sum_D, own_N, MORE)
            left = _read(past_ND, item_BL[b], left, first_BT[b, t], sum_D, own_N, LESS)
            most = max(most, at)
            like = _like(tables, asked, sum_D, np.float32(own_N[asked]))
            score_BT[b, t] = like * share_L[at - left - own_N[asked]] + bias_N[asked]
        own_N[item_BL[b, :most]] = 0


@njit(fastmath=FAST, cache=True)
def _learn(tables, grads, where, share_L, logs):  # type: ignore[no-untyped-def]
    """Adds the gradients in place. `logs`: of the summed log loss, given the labels, and gives it; else given those of
    the scores. Of targets one by one, of each event those of all targets that read it, in one sum.
    """
    past_ND, _, bias_N = tables
    item_BL, target_BT, first_BT, seen_BT, given_BT = where
    own_N, sum_D = np.zeros(len(past_ND), np.int64), np.zeros(past_ND.shape[1], np.float32)
    back_LD = np.zeros(
        (item_BL.shape[1] + 1, len(sum_D)), np.float32
    )  # of targets that end there, less of those that begin
    loss = 0.0
    for b in range(target_BT.shape[0]):
        left, at, most = 0, 0, 0
        sum_D[:] = 0
        for t in range(target_BT.shape[1]):
            asked = target_BT[b, t]
            if asked == 0:
                continue
            at = _read(past_ND, item_BL[b], at, seen_BT[b, t], sum_D, own_N, MORE)
            left = _read(past_ND, item_BL[b], left, first_BT[b, t], sum_D, own_N, LESS)
            most = max(most, at)
            own, share, slope = np.float32(own_N[asked]), share_L[at - left - own_N[asked]], given_BT[b, t]
            if logs:
                score = _like(tables, asked, sum_D, own) * share + bias_N[asked]
                small = np.exp(-abs(score))
                loss += max(score, np.float32(0)) - slope * score + np.log1p(small)
                slope = (np.float32(1) if score >= 0 else small) / (np.float32(1) + small) - slope
            grads[2][asked] += slope
            _pull(tables, grads, asked, sum_D, back_LD[at], slope * share, own)
            if left:
                _add(back_LD[left], -slope * share, tables[1][asked])
        own_N[item_BL[b, :most]] = 0
        sum_D[:] = 0
        for place in range(most, 0, -1):
            for d in range(len(sum_D)):
                sum_D[d] += back_LD[place, d]
            for d in range(len(sum_D)):
                grads[0][item_BL[b, place - 1], d] += sum_D[d]
        back_LD[: most + 1] = 0
    return loss


@njit(fastmath=FAST, cache=True)
def _add(sum_D, times, add_D):  # type: ignore[no-untyped-def]
    for d in range(len(sum_D)):
        sum_D[d] += times * add_D[d]


@njit(fastmath=FAST, cache=True)
def _pull(tables, grads, asked, sum_D, back_D, pull, own):  # type: ignore[no-untyped-def]
    """The gradients of one target; that of the sum goes to back_D. Each inner loop writes one row."""
    past_ND, target_ND, _ = tables
    past_grad_ND, target_grad_ND, _ = grads
    for d in range(len(sum_D)):
        target_grad_ND[asked, d] += pull * sum_D[d]
    for d in range(len(sum_D)):
        back_D[d] += pull * target_ND[asked, d]
    if own:
        for d in range(len(sum_D)):
            target_grad_ND[asked, d] -= pull * own * past_ND[asked, d]
        for d in range(len(sum_D)):
            past_grad_ND[asked, d] -= pull * own * target_ND[asked, d]
