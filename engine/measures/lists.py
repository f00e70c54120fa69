"""Measures of recommended lists beyond accuracy. item_CK: a list a case, best first, 0 where it has no more items.

`people_N` says how many people had item i in training; place 0 is padding. Most give one value a list, nan for a list
without items; `coverage` and `gini` are of all lists together.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.measures.ranking import Values

Items = NDArray[np.int64]
Distances = Callable[[Items], tuple[NDArray[np.floating], NDArray[np.bool_]]]  # of pairs, and what has one
CELLS = 1 << 24  # numbers that are held at once


def coverage(item_CK: ArrayLike, items: int) -> float:
    """The share of all `items` that stands in some list."""
    listed = np.unique(np.asarray(item_CK))
    return float((listed > 0).sum() / items)


def gini(item_CK: ArrayLike, items: int) -> float:
    """How unevenly the lists' places go to the items: 0 all alike, near 1 all to one.

    sum over items, by rising count c, of (2 r - N - 1) c_r / (N sum c); nan where no item is listed.
    """
    item = np.asarray(item_CK)
    count_N = np.sort(np.bincount(item[item > 0], minlength=items + 1)[1:])
    rank_N = np.arange(1, items + 1)
    if not count_N.any():
        return float("nan")
    return float(((2 * rank_N - items - 1) * count_N).sum() / (items * count_N.sum()))


def novelty(item_CK: ArrayLike, people_N: ArrayLike, people: int) -> Values:
    """The mean of -log2 of the share of people who had the item, each item given one person more (Zhou et al. 2010)."""
    share_N = (np.asarray(people_N, dtype=np.float64) + 1) / (people + 1)
    return _mean(item_CK, -np.log2(share_N))


def popularity(item_CK: ArrayLike, people_N: ArrayLike) -> Values:
    """The mean number of people who had the item in training."""
    return _mean(item_CK, np.asarray(people_N, dtype=np.float64))


def cold(item_CK: ArrayLike, people_N: ArrayLike) -> Values:
    """The share of items that nobody had in training."""
    return _mean(item_CK, (np.asarray(people_N) == 0).astype(np.float64))


def category_diversity(item_CK: ArrayLike, member_NG: ArrayLike) -> Values:
    """The mean over pairs of 1 - |A ∩ B| / |A ∪ B| of their sets of categories; pairs with an item of none are left
    out (Ziegler et al. 2005 with Jaccard's distance). member_NG: whether item N is in category G.
    """
    member = np.asarray(member_NG, dtype=bool)
    size_N = member.sum(1)

    def distance(item_BK: Items) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
        own_BKG = member[item_BK].astype(np.float32)
        both_BKK = own_BKG @ own_BKG.transpose(0, 2, 1)
        size_BK = size_N[item_BK]
        either_BKK = size_BK[:, :, None] + size_BK[:, None] - both_BKK
        return 1 - both_BKK / np.maximum(either_BKK, 1), size_BK > 0

    return _pairs(item_CK, distance, member.shape[1])


def feature_diversity(item_CK: ArrayLike, vector_ND: ArrayLike) -> Values:
    """The mean over pairs of 1 - cosine of their vectors; pairs with an item whose vector is zero are left out."""
    vector = np.asarray(vector_ND, dtype=np.float32)
    length_N = np.linalg.norm(vector, axis=1)
    unit_ND = vector / np.maximum(length_N, 1e-12)[:, None]

    def distance(item_BK: Items) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
        return 1 - unit_ND[item_BK] @ unit_ND[item_BK].transpose(0, 2, 1), length_N[item_BK] > 0

    return _pairs(item_CK, distance, vector.shape[1])


def _mean(item_CK: ArrayLike, value_N: Values) -> Values:
    item = np.asarray(item_CK)
    there = item > 0
    with np.errstate(invalid="ignore"):
        found: Values = np.where(there, value_N[item], 0.0).sum(1) / there.sum(1)
    return found


def _pairs(item_CK: ArrayLike, distance: Distances, width: int) -> Values:
    """The mean of a distance over the pairs of each list of which both items have what it is made of."""
    item, found = np.asarray(item_CK), []
    rows = max(CELLS // max(item.shape[1] * (width + item.shape[1]), 1), 1)
    upper_KK = np.triu(np.ones((item.shape[1], item.shape[1]), dtype=bool), 1)
    for first in range(0, len(item), rows):
        part_BK = item[first : first + rows]
        far_BKK, known_BK = distance(part_BK)
        known_BK = known_BK & (part_BK > 0)
        pair_BKK = known_BK[:, :, None] & known_BK[:, None] & upper_KK
        with np.errstate(invalid="ignore"):
            found.append((far_BKK * pair_BKK).sum((1, 2), dtype=np.float64) / pair_BKK.sum((1, 2)))
    return np.concatenate(found) if found else np.zeros(0)
