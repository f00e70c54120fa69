"""Cross-entropy over the whole catalog, three ways. Item i is row i - 1 of `weight_ID`; targets are item numbers."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx
from torch.nn import functional as F

from engine.training.batch import Batch

LOGITS = {"cpu": 1 << 20, "cuda": 1 << 26}  # of a chunk: few enough for a processor's cache, enough for a card
ROWS = 128  # so that a chunk's products stay large

Loss = Callable[[Tensor, Tensor, Tensor, Batch], Tensor]


def full(state_PD: Tensor, weight_ID: Tensor, target_P: Tensor, batch: Batch) -> Tensor:
    """The mean over positions P, the logits [P, items] held whole."""
    return F.cross_entropy((state_PD @ weight_ID.T).float(), target_P - 1)


def chunked(state_PD: Tensor, weight_ID: Tensor, target_P: Tensor, batch: Batch) -> Tensor:
    """The same as `full`, some positions at a time, in a fraction of its memory (and on a CPU of its time)."""
    loss: Tensor = _Chunked.apply(state_PD, weight_ID, target_P - 1)  # type: ignore[no-untyped-call]
    return loss


class _Chunked(torch.autograd.Function):
    """Cross-entropy whose gradients are taken while the logits of a chunk of positions are at hand."""

    @staticmethod
    def forward(ctx: FunctionCtx, state_PD: Tensor, weight_ID: Tensor, target_P: Tensor) -> Tensor:
        """The mean loss, a scalar in 32 bits."""
        rows = max(LOGITS[state_PD.device.type] // len(weight_ID), ROWS)
        total = state_PD.new_zeros((), dtype=torch.float32)
        state_grad_PD, weight_grad_ID = torch.empty_like(state_PD), torch.zeros_like(weight_ID)
        cast = torch.is_autocast_enabled(state_PD.device.type)
        plain = state_PD.dtype == weight_ID.dtype == torch.float32 and not cast
        room_CI = state_PD.new_empty(min(rows, len(state_PD)) if plain else 0, len(weight_ID))  # one for all chunks
        for start in range(0, len(state_PD), rows):
            state_CD, target_C1 = state_PD[start : start + rows], target_P[start : start + rows, None]
            if plain:
                logit_CI = torch.mm(state_CD, weight_ID.T, out=room_CI[: len(state_CD)])
            else:
                logit_CI = (state_CD @ weight_ID.T).float()
            own_C1, most_C1 = logit_CI.gather(1, target_C1), logit_CI.amax(1, keepdim=True)
            weight_CI = logit_CI.sub_(most_C1).exp_()  # not yet divided by their sum: that is done where it is narrow
            sum_C1 = weight_CI.sum(1, keepdim=True)
            total += (most_C1 + sum_C1.log() - own_C1).sum()
            weight_CI = weight_CI.to(state_CD.dtype)
            state_grad_PD[start : start + rows] = (weight_CI @ weight_ID) / sum_C1
            weight_grad_ID += weight_CI.T @ (state_CD / sum_C1).to(state_CD.dtype)
        state_grad_PD -= weight_ID[target_P]
        weight_grad_ID.index_add_(0, target_P, state_PD.to(weight_grad_ID.dtype), alpha=-1)
        ctx.save_for_backward(state_grad_PD / len(state_PD), weight_grad_ID / len(state_PD))
        return total / len(state_PD)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        """The kept gradients, scaled."""
        state_grad_PD, weight_grad_ID = ctx.saved_tensors
        return grad * state_grad_PD, grad * weight_grad_ID, None


def sampled(state_PD: Tensor, weight_ID: Tensor, target_P: Tensor, batch: Batch) -> Tensor:
    """The target against the batch's shared items, each divided by its expected count (logQ), so that their sum
    estimates the sum over the catalog; a shared item that is the target itself is left out.

    Raises:
        ValueError: the batch has no shared items.
    """
    if batch.shared_S is None or batch.expected_S is None:
        raise ValueError("a sampled softmax needs a batch with shared items: set `shared` above 0")
    own_P = (state_PD * weight_ID[target_P - 1]).sum(1).float()
    other_PS = (state_PD @ weight_ID[batch.shared_S - 1].T).float() - batch.expected_S
    other_PS = other_PS.masked_fill(batch.shared_S == target_P[:, None], -torch.inf)
    return (torch.cat([own_P[:, None], other_PS], 1).logsumexp(1) - own_P).mean()


LOSSES: dict[str, Loss] = {"full": full, "chunked": chunked, "sampled": sampled}
