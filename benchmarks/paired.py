"""Rows of several seeds: means with their spread, and paired tests of what each case comes to over the seeds."""

from collections.abc import Iterable, Sequence

import numpy as np

from engine.measures.ranking import Values
from engine.measures.significance import holm, t_test
from stages.compare.interval import bounded

HEAD = ["difference", "each seed", "95 %", "d", "p", "p by Holm"]


def spread(read: Sequence[float]) -> str:
    """The mean, and of several the standard deviation."""
    return f"{np.mean(read):.4f}" + (f" ± {np.std(read, ddof=1):.4f}" if len(read) > 1 else "")


def paired_tests(pairs: Iterable[tuple[Values, Values]]) -> list[list[str]]:
    """A line a pair of rows, each a value a seed and case: how far the first is above the second in the mean of the
    seeds and in each, the interval, effect and p of that mean, Holm over all pairs.
    """
    lines, all_p = [], []
    for first_SC, second_SC in pairs:
        first_C, second_C = first_SC.mean(0), second_SC.mean(0)
        verdict = bounded(t_test(first_C, second_C), first_C, second_C)
        seeds = " ".join(f"{one:+.4f}" for one in first_SC.mean(1) - second_SC.mean(1))
        all_p.append(verdict.p)
        lines.append([f"{verdict.difference:+.4f}", seeds, verdict.interval, f"{verdict.effect:+.3f}"])
    corrected = holm(all_p)
    return [[*line, f"{p:.1e}", f"{by_holm:.1e}"] for line, p, by_holm in zip(lines, all_p, corrected, strict=True)]
