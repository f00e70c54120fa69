"""Who chose what, each pair once: looked up from either side, and how many people two items share."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from torch import Tensor


@dataclass(frozen=True)
class Pairs:
    """Person u chose item_E[offset_U[u] : offset_U[u + 1]], item i was chosen by user_E[offset_N[i] : offset_N[i + 1]].

    Both i64 and rising; number 0 is nobody and nothing.
    """

    item_E: np.ndarray
    offset_U: np.ndarray
    user_E: np.ndarray
    offset_N: np.ndarray

    @staticmethod
    def of(user_X: Tensor, item_X: Tensor, users: int, items: int) -> "Pairs":
        """From events in any order; `users` and `items` are the highest numbers."""
        key_E = np.unique(user_X.cpu().numpy() * (items + 1) + item_X.cpu().numpy())
        user_E, item_E = key_E // (items + 1), key_E % (items + 1)
        order_E = np.argsort(item_E, kind="stable")
        offset_U = np.searchsorted(user_E, np.arange(users + 2))
        offset_N = np.searchsorted(item_E[order_E], np.arange(items + 2))
        return Pairs(item_E, offset_U, user_E[order_E], offset_N)

    @property
    def count_N(self) -> np.ndarray:
        """How many people chose each item."""
        return np.diff(self.offset_N)

    def shared(self, first: int, count_IN: np.ndarray) -> None:
        """Write how many people chose both of two items: rows are items `first` onward, columns items 0 onward."""
        count_IN[:] = 0
        _count(first, self.item_E, self.offset_U, self.user_E, self.offset_N, count_IN)


@njit(cache=True, nogil=True)
def _count(first, item_E, offset_U, user_E, offset_N, count_IN):  # type: ignore[no-untyped-def]
    for row in range(len(count_IN)):
        count_N = count_IN[row]
        for place in range(offset_N[first + row], offset_N[first + row + 1]):
            user = user_E[place]
            for other in range(offset_U[user], offset_U[user + 1]):
                count_N[item_E[other]] += 1
