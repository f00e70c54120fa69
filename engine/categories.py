"""The categories of items as numbered paths, the root first."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import Tensor

from engine import store
from engine.tables import ITEMS


@dataclass(frozen=True)
class Categories:
    """path_ZD i64: categories from 1 by name, 0 after a path's end; item i's paths are offset_N[i] … offset_N[i + 1].

    `names`: of category 1, 2, …; a name that stands in several places of the tree is one category.
    """

    names: tuple[str, ...]
    path_ZD: Tensor
    offset_N: Tensor

    @staticmethod
    def of(items: pl.DataFrame, count: int, device: str = "cpu") -> "Categories":
        """From the columns item and categories of an ITEMS table; empty steps and paths are left out."""
        paths = items.select("item", pl.col("categories").alias("path")).explode("path")
        paths = paths.with_columns(pl.col("path").list.drop_nulls()).filter(pl.col("path").list.len() > 0)
        paths = paths.sort("item", maintain_order=True)
        names = tuple(sorted(set(paths["path"].explode().to_list()) - {None}))
        number = {name: place for place, name in enumerate(names, 1)}
        depth = int(paths["path"].list.len().max() or 1)  # type: ignore[arg-type]
        path = np.zeros((paths.height, depth), dtype=np.int64)
        for row, steps in enumerate(paths["path"].to_list()):
            path[row, : len(steps)] = [number[step] for step in steps]
        offset = np.searchsorted(paths["item"].to_numpy().astype(np.int64), np.arange(count + 2))
        return Categories(
            names, torch.from_numpy(path).to(device), torch.from_numpy(offset.astype(np.int64)).to(device)
        )

    @staticmethod
    def read(path: Path, count: int, device: str = "cpu") -> "Categories":
        """From an ITEMS table.

        Raises:
            KeyError: no item has a category.
        """
        found = Categories.of(store.read(path, ITEMS, ["item", "categories"]), count, device)
        if not found.names:
            raise KeyError(f"no view 'categories' in {path}: this data came without; set the model's features to none")
        return found

    def rows(self, item_U: Tensor) -> tuple[Tensor, Tensor]:
        """The paths of some items, path_YD, and the place in `item_U` of each, row_Y."""
        start_U = self.offset_N[item_U]
        count_U = self.offset_N[item_U + 1] - start_U
        row_Y = torch.repeat_interleave(torch.arange(len(item_U), device=item_U.device), count_U)
        step_Y = torch.arange(len(row_Y), device=item_U.device) - (count_U.cumsum(0) - count_U)[row_Y]
        return self.path_ZD[start_U[row_Y] + step_Y], row_Y
