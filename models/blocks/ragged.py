"""An item's words or regions as vectors of the model's width, from those of the catalog."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from engine.catalog import Ragged

ROWS = 1 << 16  # parts that the standard is taken from


class Standard(nn.Module):
    """Each channel less its mean, in its standard deviations: given vectors have much in common, which hides the rest.

    Channels that hardly vary over the catalog are divided by a tenth of the usual deviation.
    """

    mean_C: Tensor
    scale_C: Tensor

    def __init__(self, part_XC: Tensor):
        super().__init__()
        some_XC = part_XC[:: max(len(part_XC) // ROWS, 1)].float()
        deviation_C = some_XC.std(0, correction=0)
        self.register_buffer("mean_C", some_XC.mean(0))
        self.register_buffer("scale_C", 1 / deviation_C.clamp(min=max(float(deviation_C.mean()) / 10, 1e-6)))

    def forward(self, part_XC: Tensor) -> Tensor:
        """The parts in these units."""
        return (part_XC - self.mean_C) * self.scale_C

    def into(self, dense: nn.Linear, part_XC: Tensor) -> Tensor:
        """A dense layer over the parts in these units, which are folded into its weights: the parts are read once."""
        weight_DC = dense.weight * self.scale_C
        shift_D = -(weight_DC @ self.mean_C)
        return F.linear(part_XC, weight_DC, shift_D if dense.bias is None else shift_D + dense.bias)


class LinearParts(nn.Module):
    """Each word or region by itself through one dense layer."""

    def __init__(self, ragged: Ragged, dim: int):
        super().__init__()
        self.ragged = ragged
        self.standard = Standard(ragged.value_XD)
        self.dense = nn.Linear(ragged.value_XD.shape[1], dim)

    def forward(self, item_U: Tensor) -> tuple[Tensor, Tensor]:
        """part_UXD, zero on padding, and valid_UX."""
        start_U = self.ragged.offset_N[item_U]
        length_U = self.ragged.offset_N[item_U + 1] - start_U
        row_X = torch.repeat_interleave(torch.arange(len(item_U), device=item_U.device), length_U)
        step_X = torch.arange(len(row_X), device=item_U.device) - (length_U.cumsum(0) - length_U)[row_X]
        flat_XD = self.standard.into(self.dense, self.ragged.value_XD.index_select(0, start_U[row_X] + step_X).float())
        width = int(length_U.max()) if len(row_X) else 1
        valid_UX = torch.arange(width, device=item_U.device) < length_U[:, None]
        part_YD = flat_XD.new_zeros(len(item_U) * width, flat_XD.shape[1]).index_copy(
            0, row_X * width + step_X, flat_XD
        )
        return part_YD.view(len(item_U), width, -1), valid_UX


class GRUParts(nn.Module):
    """Words read in both directions by a GRU, the two averaged (as SCAN does, which Ante-RNN follows)."""

    def __init__(self, ragged: Ragged, dim: int):
        super().__init__()
        self.ragged = ragged
        self.standard = Standard(ragged.value_XD)
        self.gru = nn.GRU(ragged.value_XD.shape[1], dim, batch_first=True, bidirectional=True)

    def forward(self, item_U: Tensor) -> tuple[Tensor, Tensor]:
        """part_UXD, zero on padding, and valid_UX."""
        part_UXC, valid_UX = self.ragged.rows(item_U)
        length_U = valid_UX.sum(1).clamp(min=1).cpu()
        packed = pack_padded_sequence(self.standard(part_UXC), length_U, batch_first=True, enforce_sorted=False)
        both_UXE, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True, total_length=valid_UX.shape[1])
        forth_UXD, back_UXD = both_UXE.chunk(2, dim=-1)
        return (forth_UXD + back_UXD) / 2 * valid_UX[..., None], valid_UX


class NoParts(nn.Module):
    """A view that the model was not given: every item has none of its parts."""

    def __init__(self, dim: int):
        super().__init__()
        self.dim = dim

    def forward(self, item_U: Tensor) -> tuple[Tensor, Tensor]:
        """part_UXD and valid_UX with X = 0."""
        count, device = len(item_U), item_U.device
        return torch.zeros(count, 0, self.dim, device=device), torch.zeros(count, 0, dtype=torch.bool, device=device)
