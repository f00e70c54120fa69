"""Whether reasons are what they claim: which parts weigh most, what erasing them does. One value a case."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

Floats = npt.NDArray[np.floating[Any]]
Flags = npt.NDArray[np.bool_]


def heaviest(weight_BL: Floats, valid_BL: Flags, k: int) -> Flags:
    """The k valid parts that weigh most, the earlier first among equals; all where there are fewer."""
    order_BL = np.argsort(np.where(valid_BL, -weight_BL, np.inf), axis=1, kind="stable")
    return _first(order_BL, valid_BL, k)


def lightest(weight_BL: Floats, valid_BL: Flags, k: int) -> Flags:
    """The k valid parts that weigh least, the later first among equals; none of the heaviest while others are left."""
    order_BL = np.argsort(np.where(valid_BL, weight_BL, np.inf)[:, ::-1], axis=1, kind="stable")
    return _first(weight_BL.shape[1] - 1 - order_BL, valid_BL, k)


def drawn(valid_BL: Flags, k: int, rng: np.random.Generator) -> Flags:
    """k valid parts at random."""
    return heaviest(rng.random(valid_BL.shape), valid_BL, k)


def _first(order_BL: npt.NDArray[np.intp], valid_BL: Flags, k: int) -> Flags:
    chosen_BL = np.zeros_like(valid_BL)
    np.put_along_axis(chosen_BL, order_BL[:, :k], True, axis=1)
    return chosen_BL & valid_BL


def drop(whole_B: Floats, erased_B: Floats) -> Floats:
    """How much a score fell: comprehensiveness where the heaviest were erased, sufficiency where all but they were."""
    return whole_B - erased_B


def moved(whole_B: Floats, erased_B: Floats) -> Floats:
    """How much a score moved, up or down."""
    return np.abs(whole_B - erased_B)


def agreement(weight_BL: Floats, effect_BL: Floats, valid_BL: Flags, least: int = 3) -> Floats:
    """Spearman's rank correlation of weights with effects in each case; NaN for fewer parts or a constant."""
    count_B = valid_BL.sum(1)
    weight_BL, effect_BL = (_centred_ranks(value_BL, valid_BL) for value_BL in (weight_BL, effect_BL))
    spread_B = np.sqrt((weight_BL**2).sum(1) * (effect_BL**2).sum(1))
    known_B = (count_B >= least) & (spread_B > 0)
    return np.where(known_B, (weight_BL * effect_BL).sum(1) / np.where(known_B, spread_B, 1), np.nan)


def _centred_ranks(value_BL: Floats, valid_BL: Flags) -> Floats:
    """Ranks less their mean, 0 where nothing is valid."""
    rank_BL = rankdata(np.where(valid_BL, value_BL, np.nan), axis=1, nan_policy="omit")
    return np.where(valid_BL, rank_BL - (valid_BL.sum(1, keepdims=True) + 1) / 2, 0.0)


def steadiness(weight_BL: Floats, other_BL: Floats, valid_BL: Flags, least: int = 3) -> Floats:
    """The agreement of two rankings of the same parts over those that either gives a weight other than 0."""
    return agreement(weight_BL, other_BL, valid_BL & ((weight_BL != 0) | (other_BL != 0)), least)


def found(weight_BL: Floats, true_BL: Flags, valid_BL: Flags) -> Floats:
    """1 where the heaviest part is a true one, shared among equals; NaN where no valid part is true, or all are."""
    top_BL = valid_BL & (weight_BL == np.where(valid_BL, weight_BL, -np.inf).max(axis=1, initial=-np.inf)[:, None])
    return _known((top_BL & true_BL).sum(1) / np.maximum(top_BL.sum(1), 1), true_BL, valid_BL)


def chance(true_BL: Flags, valid_BL: Flags) -> Floats:
    """The share of true parts among the valid: what a part drawn blindly would reach; NaN as `found`."""
    return _known((true_BL & valid_BL).sum(1) / np.maximum(valid_BL.sum(1), 1), true_BL, valid_BL)


def _known(value_B: Floats, true_BL: Flags, valid_BL: Flags) -> Floats:
    true_B = (true_BL & valid_BL).sum(1)
    return np.where((true_B > 0) & (true_B < valid_BL.sum(1)), value_B, np.nan)
