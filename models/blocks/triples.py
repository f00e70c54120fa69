"""Pairwise ranking of factors (user, chosen item, drawn items): loss and gradients in one pass over the rows."""

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor
from torch.autograd.function import FunctionCtx
from torch.nn import functional as F


def bpr(user_UD: Tensor, item_NE: Tensor, user_B: Tensor, own_B: Tensor, other_BK: Tensor, penalty: float) -> Tensor:
    """The mean over triples of softplus(-(score of own - score of other)) + penalty / 2 · their squared rows.

    score = p_u · q_i + b_i, where the last column of `item_NE` is b (E = D + 1). On a CPU in 32 bits a compiled loop
    does it, which neither copies the rows nor gathers their gradients; elsewhere torch does.
    """
    if user_UD.device.type == "cpu" and user_UD.dtype == item_NE.dtype == torch.float32:
        loss: Tensor = _Compiled.apply(user_UD, item_NE, user_B, own_B, other_BK, penalty)  # type: ignore[no-untyped-call]
        return loss
    return plain(user_UD, item_NE, user_B, own_B, other_BK, penalty)


def plain(user_UD: Tensor, item_NE: Tensor, user_B: Tensor, own_B: Tensor, other_BK: Tensor, penalty: float) -> Tensor:
    """The same, written out."""
    user_BD, own_BE, other_BKE = (
        F.embedding(i, t) for i, t in ((user_B, user_UD), (own_B, item_NE), (other_BK, item_NE))
    )
    apart_BKE = own_BE[:, None] - other_BKE
    margin_BK = (user_BD[:, None] * apart_BKE[..., :-1]).sum(-1) + apart_BKE[..., -1]
    loss = F.softplus(-margin_BK).mean()
    squares = (user_BD**2).sum(-1).mean() + (own_BE**2).sum(-1).mean() + (other_BKE**2).sum(-1).mean()
    return loss + penalty / 2 * squares


class _Compiled(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx,
        user_UD: Tensor,
        item_NE: Tensor,
        user_B: Tensor,
        own_B: Tensor,
        other_BK: Tensor,
        penalty: float,
    ) -> Tensor:
        """The mean loss; the gradients are kept."""
        grads = torch.zeros_like(user_UD), torch.zeros_like(item_NE)
        arrays = [t.detach().numpy() for t in (user_UD, item_NE, user_B, own_B, other_BK.contiguous())]
        loss: float = _pass(*arrays, tuple(grad.numpy() for grad in grads), np.float32(penalty))  # type: ignore[call-arg]
        ctx.save_for_backward(*grads)
        return user_UD.new_tensor(loss)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None, None, None]:
        """The kept gradients, scaled where they must be: a pass over whole tables costs as much as the loop."""
        user_grad_UD, item_grad_NE = ctx.saved_tensors
        if grad != 1:
            user_grad_UD, item_grad_NE = grad * user_grad_UD, grad * item_grad_NE
        return user_grad_UD, item_grad_NE, None, None, None, None


@njit(fastmath={"reassoc", "contract"}, cache=True)  # sums in any order; nan stays nan
def _pass(user_UD, item_NE, user_B, own_B, other_BK, grads, penalty):  # type: ignore[no-untyped-def]
    """Adds the gradients of the mean loss in place and gives the mean loss."""
    user_grad_UD, item_grad_NE = grads
    cases, draws, dim = len(user_B), other_BK.shape[1], user_UD.shape[1]
    each = np.float32(1.0 / (cases * draws))
    pull = np.float32(penalty) * each
    total, squares = 0.0, 0.0
    for b in range(cases):
        p, q = user_UD[user_B[b]], item_NE[own_B[b]]
        p_grad, q_grad = user_grad_UD[user_B[b]], item_grad_NE[own_B[b]]
        for k in range(draws):
            r, r_grad = item_NE[other_BK[b, k]], item_grad_NE[other_BK[b, k]]
            margin = q[dim] - r[dim]
            square = q[dim] * q[dim] + r[dim] * r[dim]
            for d in range(dim):
                margin += p[d] * (q[d] - r[d])
                square += p[d] * p[d] + q[d] * q[d] + r[d] * r[d]
            total += max(-margin, np.float32(0)) + np.log1p(np.exp(-abs(margin)))
            squares += square
            slope = -each / (np.float32(1) + np.exp(margin))
            for d in range(dim):
                p_grad[d] += slope * (q[d] - r[d]) + pull * p[d]
                q_grad[d] += slope * p[d] + pull * q[d]
                r_grad[d] += pull * r[d] - slope * p[d]
            q_grad[dim] += slope + pull * q[dim]
            r_grad[dim] += pull * r[dim] - slope
    return (total + penalty / 2 * squares) / (cases * draws)
