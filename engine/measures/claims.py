"""What a ranking of parts claims: areas of erasure curves, how few parts decide, how even the weights are.

One value a case. A curve has one row a share of the parts that are gone (or left), as in ERASER (DeYoung et al. 2020).
"""

from collections.abc import Callable

import numpy as np

from engine.measures.faithfulness import Flags, Floats, heaviest, lightest

SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)
SHARE = 0.1  # of the parts, where one share has to do


def heaviest_share(weight_BL: Floats, valid_BL: Flags, share: float) -> Flags:
    """The heaviest of a share of each case's valid parts, rounded up, so that one at least is chosen."""
    count_B = np.ceil(share * valid_BL.sum(1) - 1e-9).astype(int)
    chosen_BL = np.zeros_like(valid_BL)
    for count in np.unique(count_B).tolist():
        rows = count_B == count
        chosen_BL[rows] = heaviest(weight_BL[rows], valid_BL[rows], count)
    return chosen_BL


def area(drop_SB: Floats) -> Floats:
    """The mean over the shares of how far a score fell: comprehensiveness where the heaviest were gone (higher is
    better), sufficiency where only they were left (lower is better).
    """
    found: Floats = drop_SB.mean(axis=0)
    return found


def areas(found: dict[str, Floats]) -> dict[str, Floats]:
    """`comprehensiveness` and `sufficiency` of the curves gone_S and kept_S, S in percent."""
    curve = {way: np.stack([found[f"{way}_{share * 100:g}"] for share in SHARES]) for way in ("gone", "kept")}
    return {"comprehensiveness": area(curve["gone"]), "sufficiency": area(curve["kept"])}


def curves(without: Callable[[Flags], tuple[Floats, Floats]], weight_XP: Floats, valid_XP: Flags) -> dict[str, Floats]:
    """The falls without the heaviest share of each row's parts and by these alone, their areas, the falls without the
    heaviest and the lightest one, the rank without the heaviest tenth, and whether the item is first by it alone;
    `without` gives falls and ranks.
    """
    found = {
        "heaviest_one": without(heaviest(weight_XP, valid_XP, 1))[0],
        "lightest_one": without(lightest(weight_XP, valid_XP, 1))[0],
    }
    for share in SHARES:
        heavy_XP = heaviest_share(weight_XP, valid_XP, share)
        found[f"gone_{share * 100:g}"], rank_B = without(heavy_XP)
        found[f"kept_{share * 100:g}"], alone_B = without(valid_XP & ~heavy_XP)
        if share == SHARE:
            found |= {"rank": rank_B, "necessity": necessary(rank_B), "sufficiency_of_few": sufficient(alone_B)}
    return found | areas(found)


def necessary(rank_B: Floats) -> Floats:
    """1 where the item is not first any more without the parts: the mean is the probability of necessity (Tan et al.
    2021) for the item that was first. NaN where it has no rank.
    """
    return np.where(np.isnan(rank_B), np.nan, rank_B > 1)


def sufficient(rank_B: Floats) -> Floats:
    """1 where the item is still first by the parts alone: the mean is the probability of sufficiency. NaN as above."""
    return np.where(np.isnan(rank_B), np.nan, rank_B <= 1)


def smallest_deciding(rank_KB: Floats) -> Floats:
    """How many parts, heaviest first, had to go until the item was no longer first: row k is its rank without k + 1.

    As many as there are rows and one where it stayed first throughout; NaN where it has no rank.
    """
    gone_KB = rank_KB > 1
    found_B = np.where(gone_KB.any(axis=0), gone_KB.argmax(axis=0) + 1.0, len(rank_KB) + 1.0)
    return np.where(np.isnan(rank_KB).any(axis=0), np.nan, found_B)


def deciding(rank: Callable[[np.ndarray, int], Floats], rows: int, most: int) -> Floats:
    """The same, where only the cases whose item stayed first are asked for more; `rank` of some rows without so many
    parts.
    """
    rank_KB = np.ones((most, rows))
    for count in range(1, most + 1):
        row_R = np.flatnonzero((rank_KB[: count - 1] == 1).all(0))  # those that are first until now
        if len(row_R):
            rank_KB[count - 1, row_R] = rank(row_R, count)
    return smallest_deciding(rank_KB)


def gini(weight_BL: Floats, valid_BL: Flags) -> Floats:
    """The Gini coefficient of the sizes of the weights (Hurley and Rickard 2009): 0 where all are as large, near 1
    where one has it all. NaN where there is nothing, or all are 0.
    """
    size_BL = np.where(valid_BL, np.abs(weight_BL), 0.0)
    order_BL = np.sort(np.where(valid_BL, size_BL, np.inf), axis=1)
    step_BL = np.arange(weight_BL.shape[1])
    count_B1 = valid_BL.sum(1, keepdims=True)
    part_BL = (2 * (step_BL + 1) - count_B1 - 1) * np.where(step_BL < count_B1, order_BL, 0.0)
    return _over(part_BL.sum(1), count_B1[:, 0] * size_BL.sum(1))


def entropy(weight_BL: Floats, valid_BL: Flags) -> Floats:
    """The entropy of the sizes of the weights as shares, over its greatest: 1 where all are as large, 0 where one has
    it all. NaN for fewer than 2 parts, or where all are 0.
    """
    size_BL = np.where(valid_BL, np.abs(weight_BL), 0.0)
    share_BL = size_BL / np.maximum(size_BL.sum(1, keepdims=True), np.finfo(np.float64).tiny)
    bits_B = -(share_BL * np.log(np.where(share_BL > 0, share_BL, 1.0))).sum(1)
    most_B = np.log(np.maximum(valid_BL.sum(1), 1))
    return _over(np.where(size_BL.sum(1) > 0, bits_B, np.nan), most_B)


def _over(value_B: Floats, by_B: Floats) -> Floats:
    return np.where(by_B > 0, value_B / np.where(by_B > 0, by_B, 1.0), np.nan)


def half_interval(value_C: Floats, group_C: np.ndarray) -> float:
    """Half of the 95 % interval of a mean over cases, in which the cases of a group (a person) are one draw; NaN where
    there is one group alone, which says nothing of others.
    """
    place_C = np.unique(group_C, return_inverse=True)[1]
    if not place_C.any():
        return float("nan")
    apart_G = np.bincount(place_C, weights=value_C - value_C.mean())
    return float(1.96 * np.sqrt((apart_G**2).sum()) / len(value_C))


def by_group(value_C: Floats, group_C: np.ndarray) -> Floats:
    """The sum of each group's cases, in the order of the groups: what a paired test over people is made of."""
    return np.asarray(np.bincount(np.unique(group_C, return_inverse=True)[1], weights=value_C), dtype=np.float64)
