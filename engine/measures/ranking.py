"""Measures of one relevant item a case: its rank from counts, and what follows from the rank."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values = NDArray[np.float64]
Ranks = Values
Ties = Literal["expected", "optimistic", "pessimistic"]
SHARE = {"expected": 0.5, "optimistic": 0.0, "pessimistic": 1.0}


def positions(greater_B: ArrayLike, ties_B: ArrayLike, rule: Ties = "expected") -> Ranks:
    """The target's rank rank_B from 1, given how many others score more and how many the same.

    `expected` puts half of the ties before it, `optimistic` none, `pessimistic` all.
    """
    if rule not in SHARE:
        raise ValueError(f"no tie rule {rule!r}; there are {sorted(SHARE)}")
    return 1.0 + _values(greater_B) + SHARE[rule] * _values(ties_B)


def hr(rank_B: ArrayLike, k: int) -> Values:
    """Whether the target is among the first `k` (hit ratio)."""
    return (_values(rank_B) <= k).astype(np.float64)


def recall(rank_B: ArrayLike, k: int) -> Values:
    """The share of the relevant among the first `k`; with one relevant item a case it is `hr`."""
    return hr(rank_B, k)


def ndcg(rank_B: ArrayLike, k: int) -> Values:
    """Discounted gain of one relevant item among the first `k`; the ideal is 1."""
    rank = _values(rank_B)
    return np.where(rank <= k, 1.0 / np.log2(rank + 1.0), 0.0)


def mrr(rank_B: ArrayLike, k: int | None = None) -> Values:
    """One over the rank, 0 beyond `k`."""
    rank = _values(rank_B)
    return np.where(rank <= (np.inf if k is None else k), 1.0 / rank, 0.0)


def auc(greater_B: ArrayLike, ties_B: ArrayLike, others_B: ArrayLike) -> Values:
    """The share of the `others` that score less than the target, ties counted half; nan where there are none."""
    others = _values(others_B)
    below = others - _values(greater_B) - 0.5 * _values(ties_B)
    share: Values = np.divide(below, others, out=np.full_like(others, np.nan), where=others > 0)
    return share


def _values(numbers: ArrayLike) -> Values:
    """As 64-bit floats, so that counts in unsigned integers cannot wrap."""
    return np.asarray(numbers, dtype=np.float64)
