"""Stochastic descent on ratings one at a time, as Koren and Surprise do it: what its models share."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numba import njit
from torch import Tensor

from engine.training.interactions import Interactions


@dataclass(frozen=True)
class Ratings:
    """Ratings by person: user_E, item_E i64, rating_E f32, and offset_U where each person's begin."""

    user_E: np.ndarray
    item_E: np.ndarray
    rating_E: np.ndarray
    offset_U: np.ndarray

    @staticmethod
    def of(train: Interactions) -> "Ratings":
        """Those of training.

        Raises:
            ValueError: it has none.
        """
        rating_E = train.rated(torch.arange(len(train), device=train.item_E.device))
        arrays = (t.cpu().numpy() for t in (train.user_E, train.item_E, rating_E.float(), train.offset_U))
        return Ratings(*arrays)

    @property
    def mean(self) -> np.float32:
        """Of all."""
        return np.float32(self.rating_E.mean(dtype=np.float64))

    def orders(self, epochs: int, seed: int) -> Iterator[np.ndarray]:
        """A random order of the ratings for each epoch, person by person: what is summed over what a person has had
        then stays at hand. It hangs on the seed alone.
        """
        generator = np.random.default_rng(seed)
        for _ in range(epochs):
            rank_U = generator.permutation(len(self.offset_U))
            yield np.lexsort((generator.random(len(self.user_E), np.float32), rank_U[self.user_E]))


def drawn_seed() -> int:
    """From torch's global generator, as parameters are."""
    return int(torch.randint(2**31, ()))


def unless_rated(table_NE: Tensor, number_E: np.ndarray, unknown_E: Tensor) -> Tensor:
    """The table with `unknown_E` for those who have no rating."""
    rated_N = torch.zeros(len(table_NE), dtype=torch.bool)
    rated_N[torch.from_numpy(number_E)] = True
    return torch.where(rated_N[:, None], table_NE, unknown_E)


@njit(fastmath={"reassoc", "contract", "nsz"}, cache=True, inline="never")
def dot(one_D, other_D):  # type: ignore[no-untyped-def]
    """The one sum whose order is left to the compiler, so that all models round it alike."""
    product = np.float32(0)
    for d in range(len(one_D)):
        product += one_D[d] * other_D[d]
    return product
