"""The loop over pairs (target, past item) of attentive item similarity, compiled: no tensor of all pairs is held.

Tables are p, q [N, D], the two halves of the attention's first layer [N, A], its output [A], biases [N] and what a
logit gains by its age ([P], or none at all); where are item_BL, target_BT, first_BT and seen_BT; powers are alpha and
beta. All as in `history`, which says what is computed.
"""

import math
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor
from torch.autograd.function import FunctionCtx

from models.blocks.recency import pull_gains, raise_logits

Tables = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]
Where = tuple[Tensor, Tensor, Tensor, Tensor]
FAST = {"reassoc", "contract", "nsz"}  # sums in any order; nan stays nan


def scores(tables: Tables, where: Where, powers: tuple[float, float]) -> Tensor:
    """score_BT; nothing is kept for gradients."""
    score_BT = torch.zeros(where[1].shape)
    _score(arrays(tables), arrays(where), single(powers), score_BT.numpy())
    return score_BT


def log_loss(tables: Tables, where: Where, label_BT: Tensor, powers: tuple[float, float], each: float) -> Tensor:
    """`each` times the sum of the log losses of all targets; loss and gradients in one pass."""
    loss: Tensor = _Compiled.apply(where, label_BT, powers, each, *tables)  # type: ignore[no-untyped-call]
    return loss


class _Compiled(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx, where: Where, label_BT: Tensor, powers: tuple[float, float], each: float, *tables: Tensor
    ) -> Tensor:
        """The loss; the gradients are kept."""
        grads = [torch.zeros_like(table) for table in tables]
        given = (arrays(tables), tuple(grad.numpy() for grad in grads), arrays((*where, label_BT)))
        loss: float = _learn(*given, single(powers), np.float32(each))
        ctx.save_for_backward(*grads)
        return tables[0].new_tensor(loss)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """The kept gradients, scaled where they must be."""
        kept = ctx.saved_tensors if grad == 1 else [grad * each for each in ctx.saved_tensors]
        return None, None, None, None, *kept


def arrays(tensors: tuple[Tensor, ...]) -> tuple[np.ndarray, ...]:
    return tuple(tensor.detach().contiguous().numpy() for tensor in tensors)


def single(powers: tuple[float, float]) -> tuple[np.float32, np.float32]:
    return np.float32(powers[0]), np.float32(powers[1])


@njit(fastmath=FAST, cache=True)
def _meet(tables, item_S, asked, beta, weight_L, similar_L):  # type: ignore[no-untyped-def]
    """Each event's weight (0: it does not count) and similarity; gives the count, and the sums of both's products
    and of the weights."""
    past_ND, target_ND, key_NA, query_NA, out_A, _, recency_P = tables
    q, query = target_ND[asked], query_NA[asked]
    zero = np.float32(0)
    for place in range(len(item_S)):
        item = item_S[place]
        similar, logit = zero, zero
        for d in range(len(q)):
            similar += past_ND[item, d] * q[d]
        for a in range(len(out_A)):
            met = key_NA[item, a] + query[a]
            logit += out_A[a] * (met if met > zero else zero)
        similar_L[place] = similar
        if item == asked:
            weight_L[place] = -np.inf
        else:
            weight_L[place] = logit
    raise_logits(weight_L[: len(item_S)], recency_P)
    return weigh(weight_L[: len(item_S)], similar_L, beta)


@njit(fastmath=FAST, cache=True)
def weigh(weight_S, similar_S, beta):  # type: ignore[no-untyped-def]
    """Logits (-inf: it does not count) to weights, in place; gives how many count, and the sums of weights times
    similarities and of weights."""
    zero, count = np.float32(0), 0
    most = np.float32(-np.inf)
    for logit in weight_S:
        most = max(most, logit)
        count += logit > -np.inf
    if count == 0:
        weight_S[:] = zero
        return count, zero, zero
    total, product = zero, zero
    for place in range(len(weight_S)):
        weight = np.float32(math.exp(weight_S[place] - most))
        weight_S[place] = weight
        total += weight
        product += weight * similar_S[place]
    scale = np.float32(math.exp((np.float32(1) - beta) * most - beta * math.log(total)))
    for place in range(len(weight_S)):
        weight_S[place] *= scale
    return count, scale * product, scale * total


@njit(fastmath=FAST, cache=True)
def _score(tables, where, powers, score_BT):  # type: ignore[no-untyped-def]
    item_BL, target_BT, first_BT, seen_BT = where
    alpha, beta = powers
    weight_L, similar_L = np.empty(item_BL.shape[1], np.float32), np.empty(item_BL.shape[1], np.float32)
    for b in range(target_BT.shape[0]):
        for t in range(target_BT.shape[1]):
            asked = target_BT[b, t]
            if asked > 0:
                item_S = item_BL[b, first_BT[b, t] : seen_BT[b, t]]
                count, product, _ = _meet(tables, item_S, asked, beta, weight_L, similar_L)
                score_BT[b, t] = product * np.float32(max(count, 1)) ** -alpha + tables[5][asked]


@njit(fastmath=FAST, cache=True)
def _learn(tables, grads, where, powers, each):  # type: ignore[no-untyped-def]
    """Adds the gradients of `each` times the summed log loss in place and gives the loss."""
    item_BL, target_BT, first_BT, seen_BT, label_BT = where
    alpha, beta = powers
    weight_L, similar_L = np.empty(item_BL.shape[1], np.float32), np.empty(item_BL.shape[1], np.float32)
    loss = 0.0
    for b in range(target_BT.shape[0]):
        for t in range(target_BT.shape[1]):
            asked = target_BT[b, t]
            if asked == 0:
                continue
            item_S = item_BL[b, first_BT[b, t] : seen_BT[b, t]]
            count, product, total = _meet(tables, item_S, asked, beta, weight_L, similar_L)
            share = np.float32(max(count, 1)) ** -alpha
            score = product * share + tables[5][asked]
            loss += max(score, np.float32(0)) - label_BT[b, t] * score + np.log1p(np.exp(-abs(score)))
            slope = each * (np.float32(1) / (np.float32(1) + np.exp(-score)) - label_BT[b, t])
            grads[5][asked] += slope
            if count:
                pull = (slope * share, beta * product / total)
                _pull(tables, grads, item_S, asked, weight_L, similar_L, pull)
                pull_gains(grads[6], weight_L[: len(item_S)], similar_L, pull)
    return each * loss


@njit(fastmath=FAST, cache=True)
def _pull(tables, grads, item_S, asked, weight_L, similar_L, pull):  # type: ignore[no-untyped-def]
    """The gradients of one target: d score / d logit_k = weight_k (similar_k - beta · their mean), times the slope.

    Each inner loop writes one row: with more of them the compiler gives up on proving that they are apart.
    """
    past_ND, target_ND, key_NA, query_NA, out_A, _, _ = tables
    q, query = target_ND[asked], query_NA[asked]
    slope, mean = pull
    zero = np.float32(0)
    open_A, opened_A, met_A = np.empty_like(out_A), np.zeros_like(out_A), np.zeros_like(out_A)
    mixed_D = np.zeros_like(q)
    p_grad_ND, key_grad_NA = grads[0], grads[2]
    for place in range(len(item_S)):
        if weight_L[place] == 0:
            continue
        item = item_S[place]
        by_similar = slope * weight_L[place]
        by_logit = by_similar * (similar_L[place] - mean)
        for d in range(len(q)):
            p_grad_ND[item, d] += by_similar * q[d]
        for d in range(len(q)):
            mixed_D[d] += by_similar * past_ND[item, d]
        for a in range(len(out_A)):
            met = key_NA[item, a] + query[a]
            open_A[a] = by_logit if met > zero else zero
            met_A[a] += by_logit * met if met > zero else zero
        for a in range(len(out_A)):
            opened_A[a] += open_A[a]
            key_grad_NA[item, a] += open_A[a] * out_A[a]
    grads[1][asked] += mixed_D
    grads[3][asked] += opened_A * out_A
    grads[4][:] += met_A
