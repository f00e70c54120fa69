"""Which things are members of which sets (items of a hyperedge), and sums over them both ways."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.nn import functional as F


class Resized(nn.Module):
    """A module whose buffers named in `grown` take their sizes from the weights that are loaded."""

    grown: tuple[str, ...] = ()

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name in self.grown:
            given = state_dict.get(prefix + name)
            if isinstance(given, Tensor):
                setattr(self, name, getattr(self, name).new_zeros(given.shape))
        super()._load_from_state_dict(state_dict, prefix, *rest)


class Incidence(Resized):
    """A matrix of 0 and 1, things by sets, in buffers: weights carry it, and its size is that of what is loaded.

    Members of set s are thing_Z[set_offset[s] : set_offset[s + 1]], sets of thing t likewise; none until `fill`.
    """

    thing_Z: Tensor
    set_offset: Tensor
    set_Z: Tensor
    thing_offset: Tensor
    grown = ("thing_Z", "set_offset", "set_Z", "thing_offset")

    def __init__(self, things: int = 0, sets: int = 0):
        super().__init__()
        for name, size in zip(self.grown, (0, sets + 1, 0, things + 1), strict=True):
            self.register_buffer(name, torch.zeros(size, dtype=torch.int32))

    def fill(self, thing_E: Tensor, set_E: Tensor, things: int, sets: int) -> None:
        """From pairs in any order, each counted once."""
        key_Z = torch.unique(set_E * things + thing_E)
        thing_Z, set_Z = key_Z % things, key_Z // things
        order_Z = torch.argsort(thing_Z, stable=True)
        self.thing_Z, self.set_offset = thing_Z.int(), _offsets(set_Z, sets)
        self.set_Z, self.thing_offset = set_Z[order_Z].int(), _offsets(thing_Z[order_Z], things)

    @property
    def sizes(self) -> Tensor:
        """How many members each set has."""
        return self.set_offset.diff()

    @property
    def degrees(self) -> Tensor:
        """How many sets each thing is in."""
        return self.thing_offset.diff()

    def over_members(self, thing_TD: Tensor) -> Tensor:
        """sum_SD of each set's members."""
        found: Tensor = _Sums.apply(thing_TD, self.thing_Z, self.set_offset, self.set_Z, self.thing_offset)  # type: ignore[no-untyped-call]
        return found

    def over_sets(self, set_SD: Tensor) -> Tensor:
        """sum_TD of the sets that each thing is in."""
        found: Tensor = _Sums.apply(set_SD, self.set_Z, self.thing_offset, self.thing_Z, self.set_offset)  # type: ignore[no-untyped-call]
        return found


class _Sums(torch.autograd.Function):
    """A sparse product whose gradient is the product with the transposed matrix, which is at hand."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, value_XD: Tensor, of_Z: Tensor, offset: Tensor, back_Z: Tensor, back_offset: Tensor
    ) -> Tensor:
        ctx.save_for_backward(back_Z, back_offset)
        return _sums(value_XD, of_Z, offset)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
        return _sums(grad.contiguous(), *ctx.saved_tensors), None, None, None, None


def _sums(value_XD: Tensor, of_Z: Tensor, offset: Tensor) -> Tensor:
    return F.embedding_bag(of_Z, value_XD, offset, mode="sum", include_last_offset=True)


def _offsets(sorted_Z: Tensor, count: int) -> Tensor:
    return torch.searchsorted(sorted_Z, torch.arange(count + 1, device=sorted_Z.device)).int()
