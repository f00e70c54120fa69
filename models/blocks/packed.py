"""Rows of unequal length without padding: all first steps, then all second steps, the longest row first."""

import torch
from torch import Tensor


class Layout:
    """Where step t of row b lies among X = all steps: at `start_T[t] + slot_B[b]`.

    row_X, step_X: whose and which step a place holds. `sizes`: how many rows have a step t; a row without steps has no
    place.
    """

    def __init__(self, length_B: Tensor):
        device = length_B.device
        self.length_B = length_B
        order_B = torch.argsort(length_B, descending=True, stable=True)
        self.slot_B = torch.argsort(order_B)
        longest = int(length_B.max()) if len(length_B) else 0
        step_T = torch.arange(longest, device=device)
        size_T = torch.searchsorted(-length_B[order_B], -step_T)
        self.sizes: list[int] = size_T.tolist()
        self.start_T = size_T.cumsum(0) - size_T
        self.step_X = torch.repeat_interleave(step_T, size_T)
        self.row_X = order_B[torch.arange(len(self.step_X), device=device) - self.start_T[self.step_X]]

    def at(self, row_Y: Tensor, step_Y: Tensor) -> Tensor:
        """The places of some steps of some rows."""
        return self.start_T[step_Y] + self.slot_B[row_Y]

    def last(self, value_XD: Tensor) -> Tensor:
        """Each row's value at its last step [B, D], zero where it has none."""
        return self._one(value_XD, (self.length_B - 1).clamp(min=0))

    def first(self, value_XD: Tensor) -> Tensor:
        """Each row's value at its first step [B, D], zero where it has none."""
        return self._one(value_XD, torch.zeros_like(self.length_B))

    def _one(self, value_XD: Tensor, step_B: Tensor) -> Tensor:
        if not self.sizes:
            return value_XD.new_zeros(len(self.length_B), value_XD.shape[1])
        has_B = self.length_B > 0
        place_B = torch.where(has_B, self.start_T[step_B] + self.slot_B, 0)
        return value_XD.index_select(0, place_B) * has_B[:, None]

    def spread(self, value_X: Tensor, width: int) -> Tensor:
        """Values [X, …] as rows [B, width, …], zero after each row's end."""
        found = value_X.new_zeros(len(self.length_B), width, *value_X.shape[1:])
        return found.index_put((self.row_X, self.step_X), value_X)
