"""The GRU of Cho et al. (2014), which resets the state before the product (Ante-RNN eq. 21), gradients written out."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx


class PaperGRU(nn.Module):
    """z, r = σ(W x + U h), c = tanh(W x + U (r ⊙ h)), h ← (1 - z) h + z c; rows of W and U by z, r, c; no biases.

    torch's nn.GRU takes r ⊙ (U h), and weighs the state by its z where this one weighs the candidate.
    """

    def __init__(self, dim: int):
        super().__init__()
        bound = dim**-0.5
        self.input_ED = nn.Parameter(torch.empty(3 * dim, dim).uniform_(-bound, bound))
        self.state_ED = nn.Parameter(torch.empty(3 * dim, dim).uniform_(-bound, bound))

    def forward(self, value_BLD: Tensor) -> tuple[Tensor, Tensor]:
        """state_BLD after each step, and the last one, state_BD; from zero."""
        drive_LBE = (value_BLD @ self.input_ED.T).transpose(0, 1)
        with torch.autocast(value_BLD.device.type, enabled=False):  # a recurrence adds up what few bits lose
            found_LBD: Tensor = _Recurrence.apply(drive_LBE.to(self.state_ED.dtype), self.state_ED)  # type: ignore[no-untyped-call]
        state_BLD = found_LBD.transpose(0, 1)
        return state_BLD, state_BLD[:, -1:].sum(1)


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, drive_LBE: Tensor, weight_ED: Tensor) -> Tensor:
        """The states; the gates and candidates are kept."""
        dim = weight_ED.shape[1]
        gates_DF, able_DD = weight_ED[: 2 * dim].t(), weight_ED[2 * dim :].t()
        kept_LBE = torch.empty_like(drive_LBE, memory_format=torch.contiguous_format)
        state_LBD = drive_LBE.new_empty(*drive_LBE.shape[:2], dim)
        before_BD = drive_LBE.new_zeros(drive_LBE.shape[1], dim)
        for drive_BE, kept_BE, state_BD in zip(drive_LBE, kept_LBE, state_LBD, strict=True):
            gate_BF = torch.sigmoid(torch.addmm(drive_BE[:, : 2 * dim], before_BD, gates_DF))
            update_BD, reset_BD = gate_BF.chunk(2, dim=1)
            able_BD = torch.tanh(torch.addmm(drive_BE[:, 2 * dim :], reset_BD * before_BD, able_DD))
            kept_BE[:, : 2 * dim], kept_BE[:, 2 * dim :] = gate_BF, able_BD
            before_BD = torch.lerp(before_BD, able_BD, update_BD, out=state_BD)
        ctx.save_for_backward(weight_ED, kept_LBE, state_LBD)
        return state_LBD

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_LBD: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients of the inputs, step by step from the last, and of the weights, in one product each."""
        weight_ED, kept_LBE, state_LBD = ctx.saved_tensors
        dim = weight_ED.shape[1]
        before_LBD = torch.cat([torch.zeros_like(state_LBD[:1]), state_LBD[:-1]])
        update_LBD, reset_LBD, able_LBD = kept_LBE.chunk(3, dim=2)
        drive_LBE = torch.empty_like(kept_LBE)
        carried_BD = torch.zeros_like(state_LBD[:1]).sum(0)
        for t in range(len(grad_LBD) - 1, -1, -1):
            z, r, c, before_BD = update_LBD[t], reset_LBD[t], able_LBD[t], before_LBD[t]
            state_BD = grad_LBD[t] + carried_BD
            able_BD = state_BD * z * (1 - c * c)
            met_BD = able_BD @ weight_ED[2 * dim :]
            drive_LBE[t] = torch.cat(
                [state_BD * (c - before_BD) * z * (1 - z), met_BD * before_BD * r * (1 - r), able_BD], 1
            )
            carried_BD = state_BD * (1 - z) + met_BD * r + drive_LBE[t, :, : 2 * dim] @ weight_ED[: 2 * dim]
        gates_FD = drive_LBE[..., : 2 * dim].flatten(0, 1).t() @ before_LBD.flatten(0, 1)
        able_DD = drive_LBE[..., 2 * dim :].flatten(0, 1).t() @ (reset_LBD * before_LBD).flatten(0, 1)
        return drive_LBE, torch.cat([gates_FD, able_DD])
