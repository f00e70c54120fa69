"""An item's words or regions as vectors of the model's width, from those of the catalog."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from engine.training.catalog import Ragged

ROWS = 1 << 16  # parts that the standard is taken from


@dataclass(frozen=True)
class Parts:
    """The parts of some items u, X in all, one item's after the other's; length_U says how many each has."""

    value_XD: Tensor
    length_U: Tensor

    @staticmethod
    def of(part_UXD: Tensor, valid_UX: Tensor) -> "Parts":
        """From padded rows."""
        cell_X = valid_UX.flatten().nonzero()[:, 0]
        return Parts(part_UXD.reshape(-1, part_UXD.shape[2]).index_select(0, cell_X), valid_UX.sum(1))

    def dimmed(self, presence_UX: Tensor | None) -> "Parts":
        """Each part times its presence, whose rows are as wide as the longest item or wider (None: as they are)."""
        if presence_UX is None:
            return self
        width = self.valid_UX.shape[1]
        return Parts(self.value_XD * presence_UX[:, :width][self.valid_UX][:, None], self.length_U)

    @cached_property
    def offset_U(self) -> Tensor:
        """Item u's are value_XD[offset_U[u] : offset_U[u + 1]]."""
        return F.pad(self.length_U.cumsum(0), (1, 0))

    @cached_property
    def valid_UX(self) -> Tensor:
        """Which places of the padded rows hold one."""
        width = int(self.length_U.max()) if len(self.length_U) else 0
        return torch.arange(width, device=self.length_U.device) < self.length_U[:, None]

    @cached_property
    def padded_UXD(self) -> Tensor:
        """A row an item, zero after its end; made once, where it is asked for."""
        cell_X = self.valid_UX.flatten().nonzero()[:, 0]
        flat_YD = self.value_XD.new_zeros(self.valid_UX.numel(), self.value_XD.shape[1])
        return flat_YD.index_copy_(0, cell_X, self.value_XD).view(*self.valid_UX.shape, self.value_XD.shape[1])


def places(ragged: Ragged, item_U: Tensor) -> tuple[Tensor, Tensor]:
    """Where the parts of some items are in the catalog's flat table, place_X, and how many each has, length_U."""
    start_U = ragged.offset_N[item_U]
    length_U = ragged.offset_N[item_U + 1] - start_U
    shift_X = torch.repeat_interleave(start_U - (length_U.cumsum(0) - length_U), length_U)
    return shift_X + torch.arange(len(shift_X), device=item_U.device), length_U


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
    """Each word or region by itself through one dense layer; its first numbers are `gain` times torch's."""

    def __init__(self, ragged: Ragged, dim: int, gain: float = 1.0):
        super().__init__()
        self.ragged = ragged
        self.standard = Standard(ragged.value_XD)
        self.dense = nn.Linear(ragged.value_XD.shape[1], dim)
        with torch.no_grad():
            for parameter in self.dense.parameters():
                parameter.mul_(gain)

    def forward(self, item_U: Tensor) -> Parts:
        """The parts of some items."""
        place_X, length_U = places(self.ragged, item_U)
        part_XC = self.ragged.value_XD.index_select(0, place_X).to(self.dense.weight.dtype)
        return Parts(self.standard.into(self.dense, part_XC), length_U)


class GRUParts(nn.Module):
    """Words read in both directions by a GRU, the two averaged (as SCAN does, which Ante-RNN follows)."""

    def __init__(self, ragged: Ragged, dim: int):
        super().__init__()
        self.ragged = ragged
        self.standard = Standard(ragged.value_XD)
        self.gru = nn.GRU(ragged.value_XD.shape[1], dim, batch_first=True, bidirectional=True)

    def forward(self, item_U: Tensor) -> Parts:
        """The words of some items."""
        part_UXC, valid_UX = self.ragged.rows(item_U)
        length_U = valid_UX.sum(1).clamp(min=1).cpu()
        part_UXC = self.standard(part_UXC.to(self.standard.mean_C.dtype))
        packed = pack_padded_sequence(part_UXC, length_U, batch_first=True, enforce_sorted=False)
        both_UXE, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True, total_length=valid_UX.shape[1])
        forth_UXD, back_UXD = both_UXE.chunk(2, dim=-1)
        return Parts.of((forth_UXD + back_UXD) / 2, valid_UX)


class NoParts(nn.Module):
    """A view that the model was not given: every item has none of its parts."""

    def __init__(self, dim: int):
        super().__init__()
        self.dim = dim

    def forward(self, item_U: Tensor) -> Parts:
        """None at all."""
        return Parts(torch.zeros(0, self.dim, device=item_U.device), torch.zeros_like(item_U))
