"""Categories as tokens beside the items, in one vocabulary: what an item can be foretold from besides itself."""

from dataclasses import dataclass

import numpy as np
import torch

from engine.training.categories import Categories


@dataclass(frozen=True)
class CategoryTokens:
    """The tokens of item i's categories are token_C[offset_N[i] : offset_N[i + 1]], each above those of all items;
    there are `tokens` in all, items (with 0, which is none) included.
    """

    token_C: np.ndarray
    offset_N: np.ndarray
    tokens: int

    @staticmethod
    def of(categories: Categories, items: int, common: float) -> "CategoryTokens":
        """Each category of an item once, but those of more than `common` of the items that have any."""
        pairs = categories.once(torch.arange(items + 1, device=categories.path_ZD.device))
        item_X, category_X = (part_X.cpu().numpy() for part_X in pairs)
        having = len(np.unique(item_X))
        rare_C = np.bincount(category_X, minlength=len(categories.names) + 1) <= common * having
        kept_X = rare_C[category_X]
        offset_N = np.searchsorted(item_X[kept_X], np.arange(items + 2))
        return CategoryTokens(items + category_X[kept_X], offset_N, items + 1 + len(categories.names))

    @property
    def size_N(self) -> np.ndarray:
        """How many each item has."""
        found: np.ndarray = np.diff(self.offset_N)
        return found

    def drawn(self, item_P: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One token of each item, any of its own; 0 where it has none."""
        size_P = self.size_N[item_P]
        place_P = self.offset_N[item_P] + (rng.random(len(item_P)) * size_P).astype(np.int64)
        found: np.ndarray = np.append(self.token_C, 0)[np.where(size_P > 0, place_P, len(self.token_C))]
        return found

    def counts(self, count_N: np.ndarray) -> np.ndarray:
        """How often each token occurs where an item that occurs so often brings one of its categories each time."""
        each_C = np.repeat(count_N / np.maximum(self.size_N, 1), self.size_N)
        counts_V = np.bincount(self.token_C, each_C, minlength=self.tokens)
        counts_V[: len(count_N)] = count_N
        return counts_V

    def means(self, vector_VD: np.ndarray) -> np.ndarray:
        """The mean of the vectors of each item's categories, mean_ND; zero where it has none."""
        total_ND = np.zeros((len(self.size_N), vector_VD.shape[1]), vector_VD.dtype)
        np.add.at(total_ND, np.repeat(np.arange(len(total_ND)), self.size_N), vector_VD[self.token_C])
        total_ND /= np.maximum(self.size_N, 1)[:, None]
        return total_ND
