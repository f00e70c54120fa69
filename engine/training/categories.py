"""The categories of items as numbered paths, the root first."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Categories:
    """path_ZD i64: categories from 1 by name, 0 after a path's end; item i's paths are offset_N[i] … offset_N[i + 1].

    `names`: of category 1, 2, …; a name that stands in several places of the tree is one category.
    """

    names: tuple[str, ...]
    path_ZD: Tensor
    offset_N: Tensor

    @staticmethod
    def of(item: np.ndarray, paths: Sequence[Sequence[str]], count: int, device: str = "cpu") -> "Categories":
        """From paths of names, the root first, and the item of each, rising; `count` items in all.

        `tables.arrays.category_paths` makes them of an items table.
        """
        names = tuple(sorted({name for path in paths for name in path}))
        number = {name: place for place, name in enumerate(names, 1)}
        path_ZD = np.zeros((len(paths), max(map(len, paths), default=1)), dtype=np.int64)
        for row, steps in enumerate(paths):
            path_ZD[row, : len(steps)] = [number[step] for step in steps]
        offset_N = np.searchsorted(item, np.arange(count + 2)).astype(np.int64)
        return Categories(names, torch.from_numpy(path_ZD).to(device), torch.from_numpy(offset_N).to(device))

    def rows(self, item_U: Tensor) -> tuple[Tensor, Tensor]:
        """The paths of some items, path_YD, and the place in `item_U` of each, row_Y."""
        start_U = self.offset_N[item_U]
        count_U = self.offset_N[item_U + 1] - start_U
        row_Y = torch.repeat_interleave(torch.arange(len(item_U), device=item_U.device), count_U)
        step_Y = torch.arange(len(row_Y), device=item_U.device) - (count_U.cumsum(0) - count_U)[row_Y]
        return self.path_ZD[start_U[row_Y] + step_Y], row_Y

    def once(self, item_U: Tensor) -> tuple[Tensor, Tensor]:
        """Each category of some items once, whatever paths it stands in: the place in `item_U`, rising, and the
        category, row_P and category_P.
        """
        path_YD, row_Y = self.rows(item_U)
        pair_X2 = torch.stack([row_Y[:, None].expand_as(path_YD), path_YD], 2)[path_YD > 0]
        row_P, category_P = torch.unique(pair_X2, dim=0).unbind(1)
        return row_P, category_P
