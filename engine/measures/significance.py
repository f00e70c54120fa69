"""Is the difference between two models more than chance? Paired two-sided tests over cases, and Holm's correction."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from engine.measures.ranking import Values

BLOCK = 2**22  # numbers drawn at a time
ROUNDING = 1e-12  # of differences: what varies by less does not vary


@dataclass(frozen=True)
class Verdict:
    """`difference` is the mean of first - second, `p` two-sided, `effect` Cohen's d of the paired differences."""

    difference: float
    p: float
    effect: float
    cases: int


def t_test(first_B: ArrayLike, second_B: ArrayLike) -> Verdict:
    """The paired t-test; p is 1 where no case differs, and the sign test's where all do by as much: no t is there."""
    difference_B = _paired(first_B, second_B)
    if not difference_B.any():
        return _verdict(difference_B, 1.0)
    if np.ptp(difference_B) <= ROUNDING * np.abs(difference_B).max():
        return _verdict(difference_B, 2.0 ** (1 - len(difference_B)))
    return _verdict(difference_B, float(stats.ttest_1samp(difference_B, 0.0).pvalue))


def randomisation(first_B: ArrayLike, second_B: ArrayLike, rounds: int = 9999, seed: int = 1) -> Verdict:
    """The paired randomisation test: how often signs drawn by chance give as large a difference (in size).

    Cases without a difference change no sum, so only the others are drawn for.
    """
    difference_B = _paired(first_B, second_B)
    moved_B = difference_B[difference_B != 0]
    generator = np.random.default_rng(seed)
    sums = _rounds(rounds, len(moved_B), lambda rows: generator.choice([-1.0, 1.0], (rows, len(moved_B))) @ moved_B)
    extreme = int((np.abs(sums) >= abs(moved_B.sum()) * (1 - 1e-12)).sum())
    return _verdict(difference_B, (extreme + 1) / (rounds + 1))


def bootstrap(first_B: ArrayLike, second_B: ArrayLike, rounds: int = 9999, seed: int = 1) -> tuple[Verdict, Values]:
    """The paired bootstrap of the mean difference: p by the shifted (centred) means, and the 95 % interval [2]."""
    difference_B = _paired(first_B, second_B)
    count = len(difference_B)
    generator = np.random.default_rng(seed)
    means = _rounds(rounds, count, lambda rows: difference_B[generator.integers(0, count, (rows, count))].mean(1))
    mean = difference_B.mean()
    extreme = int((np.abs(means - mean) >= abs(mean) * (1 - 1e-12)).sum())
    return _verdict(difference_B, (extreme + 1) / (rounds + 1)), np.quantile(means, [0.025, 0.975])


def holm(p_H: ArrayLike) -> Values:
    """P-values corrected for their number (Holm 1979), in the order given; never below the raw ones."""
    p = np.asarray(p_H, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    corrected = np.empty_like(p)
    corrected[order] = stepped.clip(max=1.0)
    return corrected


def _paired(first_B: ArrayLike, second_B: ArrayLike) -> Values:
    first, second = np.asarray(first_B, dtype=np.float64), np.asarray(second_B, dtype=np.float64)
    if first.shape != second.shape or first.ndim != 1 or len(first) < 2:
        raise ValueError(f"a paired test needs two values for each of 2 cases or more: {first.shape}, {second.shape}")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("a paired test needs finite values; leave out a case from both sides")
    return first - second


def _verdict(difference_B: Values, p: float) -> Verdict:
    mean, spread = float(difference_B.mean()), float(difference_B.std(ddof=1))
    effect = mean / spread if spread > ROUNDING * abs(mean) else float(np.sign(mean)) * np.inf if mean else 0.0
    return Verdict(mean, p, effect, len(difference_B))


def _rounds(rounds: int, width: int, draw: Callable[[int], Values]) -> Values:
    """`rounds` draws of a statistic, as many at a time as fit in memory."""
    rows = max(BLOCK // max(width, 1), 1)
    return np.concatenate([draw(min(rows, rounds - start)) for start in range(0, rounds, rows)])
