"""As `pairwise`, where attention is made of products: l_ij = out · relu(mix (p_i * q_j) + shift) (NAIS-prod).

For each target the matrix mix · diag(q) is made once, so that a pair costs one product of a matrix and a vector. Tables
are p, q [N, D], mix [A, D], shift and out [A], biases [N] and gains [P]; the rest is as there.
"""

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor
from torch.autograd.function import FunctionCtx

from models.blocks.pairwise import FAST, Tables, Where, arrays, single, weigh
from models.blocks.recency import pull_gains, raise_logits


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


@njit(fastmath=FAST, cache=True)
def _meet(tables, item_L, asked, beta, met_LA, weight_L, similar_L):  # type: ignore[no-untyped-def]
    """Each event's met = mix (p * q) + shift, weight (0: it does not count) and similarity; gives what `weigh` does."""
    past_ND, target_ND, mix_AD, shift_A, out_A, _, recency_P = tables
    q = target_ND[asked]
    mixed_DA = np.ascontiguousarray((mix_AD * q).T)
    zero = np.float32(0)
    for place in range(len(item_L)):
        item, met_A = item_L[place], met_LA[place]
        similar, logit = zero, zero
        for d in range(len(q)):
            similar += past_ND[item, d] * q[d]
        similar_L[place] = similar
        if item == asked:
            weight_L[place] = -np.inf
            continue
        met_A[:] = shift_A
        for d in range(len(q)):
            p = past_ND[item, d]
            for a in range(len(out_A)):
                met_A[a] += p * mixed_DA[d, a]
        for a in range(len(out_A)):
            logit += out_A[a] * (met_A[a] if met_A[a] > zero else zero)
        weight_L[place] = logit
    raise_logits(weight_L[: len(item_L)], recency_P)
    return weigh(weight_L[: len(item_L)], similar_L, beta)


@njit(fastmath=FAST, cache=True)
def _score(tables, where, powers, score_BT):  # type: ignore[no-untyped-def]
    item_BL, target_BT, first_BT, seen_BT = where
    alpha, beta = powers
    weight_L, similar_L = np.empty(item_BL.shape[1], np.float32), np.empty(item_BL.shape[1], np.float32)
    met_LA = np.empty((item_BL.shape[1], len(tables[4])), np.float32)
    for b in range(target_BT.shape[0]):
        for t in range(target_BT.shape[1]):
            asked = target_BT[b, t]
            if asked > 0:
                item_S = item_BL[b, first_BT[b, t] : seen_BT[b, t]]
                count, product, _ = _meet(tables, item_S, asked, beta, met_LA, weight_L, similar_L)
                score_BT[b, t] = product * np.float32(max(count, 1)) ** -alpha + tables[5][asked]


@njit(fastmath=FAST, cache=True)
def _learn(tables, grads, where, powers, each):  # type: ignore[no-untyped-def]
    """Adds the gradients of `each` times the summed log loss in place and gives the loss."""
    item_BL, target_BT, first_BT, seen_BT, label_BT = where
    alpha, beta = powers
    weight_L, similar_L = np.empty(item_BL.shape[1], np.float32), np.empty(item_BL.shape[1], np.float32)
    met_LA = np.empty((item_BL.shape[1], len(tables[4])), np.float32)
    loss = 0.0
    for b in range(target_BT.shape[0]):
        for t in range(target_BT.shape[1]):
            asked = target_BT[b, t]
            if asked == 0:
                continue
            item_S = item_BL[b, first_BT[b, t] : seen_BT[b, t]]
            count, product, total = _meet(tables, item_S, asked, beta, met_LA, weight_L, similar_L)
            share = np.float32(max(count, 1)) ** -alpha
            score = product * share + tables[5][asked]
            loss += max(score, np.float32(0)) - label_BT[b, t] * score + np.log1p(np.exp(-abs(score)))
            slope = each * (np.float32(1) / (np.float32(1) + np.exp(-score)) - label_BT[b, t])
            grads[5][asked] += slope
            if count:
                pull = (slope * share, beta * product / total)
                _pull(tables, grads, item_S, asked, (met_LA, weight_L, similar_L), pull)
                pull_gains(grads[6], weight_L[: len(item_S)], similar_L, pull)
    return each * loss


@njit(fastmath=FAST, cache=True)
def _pull(tables, grads, item_S, asked, met, pull):  # type: ignore[no-untyped-def]
    """The gradients of one target, as in `pairwise`; those of mix and q by that of mix · diag(q)."""
    past_ND, target_ND, mix_AD, _, out_A, _, _ = tables
    q = target_ND[asked]
    (met_LA, weight_L, similar_L), (slope, mean) = met, pull
    zero = np.float32(0)
    mixed_AD, mixed_grad_DA = mix_AD * q, np.zeros((len(q), len(out_A)), np.float32)
    open_A, opened_A, raised_A = np.empty_like(out_A), np.zeros_like(out_A), np.zeros_like(out_A)
    pulled_D = np.zeros_like(q)
    for place in range(len(item_S)):
        if weight_L[place] == 0:
            continue
        item, met_A = item_S[place], met_LA[place]
        p_D, p_grad_D = past_ND[item], grads[0][item]
        by_similar = slope * weight_L[place]
        by_logit = by_similar * (similar_L[place] - mean)
        for a in range(len(out_A)):
            open_A[a] = by_logit * out_A[a] if met_A[a] > zero else zero
        for a in range(len(out_A)):
            raised_A[a] += by_logit * met_A[a] if met_A[a] > zero else zero
        for a in range(len(out_A)):
            opened_A[a] += open_A[a]
        for d in range(len(q)):
            p_grad_D[d] += by_similar * q[d]
        for d in range(len(q)):
            pulled_D[d] += by_similar * p_D[d]
        for a in range(len(out_A)):
            if open_A[a] != zero:
                for d in range(len(q)):
                    p_grad_D[d] += open_A[a] * mixed_AD[a, d]
        for d in range(len(q)):
            for a in range(len(out_A)):
                mixed_grad_DA[d, a] += p_D[d] * open_A[a]
    mixed_grad_AD = mixed_grad_DA.T
    grads[1][asked] += pulled_D + (mixed_grad_AD * mix_AD).sum(0)
    grads[2][:] += mixed_grad_AD * q
    grads[3][:] += opened_A
    grads[4][:] += raised_A
