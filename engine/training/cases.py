"""What is ranked: the target that followed a history, among all items or among frozen candidates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

Seen = Literal["excluded", "kept"]


@dataclass(frozen=True)
class Cases:
    """The target of user_C at position_C, ranked among candidate_CK (frozen, padded with 0) or all items (None)."""

    user_C: Tensor
    position_C: Tensor
    target_C: Tensor
    candidate_CK: Tensor | None = None

    def __len__(self) -> int:
        return len(self.user_C)

    @staticmethod
    def of(columns: Mapping[str, np.ndarray], device: str = "cpu") -> "Cases":
        """From columns user, position, target i64, and candidates [C, K] where there are.

        `tables.arrays.case_columns` makes them of a cases table.
        """
        user_C, position_C, target_C = (
            torch.from_numpy(columns[name]).to(device) for name in ("user", "position", "target")
        )
        candidates = torch.from_numpy(columns["candidates"]).to(device) if "candidates" in columns else None
        return Cases(user_C, position_C, target_C, candidates)


def by_length(position_C: Tensor, length: int, rows: int) -> tuple[Tensor, ...]:
    """The cases 0..C-1 in blocks of `rows` whose histories, of which the last `length` events are read, are about as
    long: a block is as wide as its longest, and the rest of it is padding.
    """
    return torch.split(position_C.clamp(max=length).argsort(stable=True), rows)
