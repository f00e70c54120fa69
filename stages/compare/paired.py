"""Each metric of two revisions over the cases that both ranked, and whether they differ by more than chance."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from engine.measures import ranking
from engine.measures.significance import Verdict, holm, randomisation, t_test
from stages.compare.revision import Reading

CASE = ["user", "position", "target"]  # the number of a case depends on what else was split
Test = Literal["randomisation", "t"]


@dataclass(frozen=True)
class Line:
    """A metric of both revisions over the cases that both ranked; p corrected by Holm over all metrics."""

    metric: str
    first: float
    second: float
    verdict: Verdict
    corrected: float


def compare(first: Reading, second: Reading, test: Test = "randomisation", seed: int = 1) -> list[Line]:
    """Every metric of both, over the cases of the same user, position and target.

    Raises:
        ValueError: fewer than two cases in common: the revisions rank other data or by another protocol.
    """
    both = first.ranks.join(second.ranks, on=CASE, how="inner", suffix="_second", validate="1:1").sort(CASE)
    if both.height < 2:
        raise ValueError(
            f"{first.revision} ({first.choice}) and {second.revision} ({second.choice}) have {both.height} test "
            "cases in common, and a paired test needs two: compare revisions of one dataset and protocol"
        )
    rows = []
    for metric in sorted(set(first.metrics) & set(second.metrics), key=_order):
        a, b = per_case(metric, both, ""), per_case(metric, both, "_second")
        if a is None or b is None:
            continue
        there = np.isfinite(a) & np.isfinite(b)
        if there.sum() > 1:
            verdict = _verdict(a[there], b[there], test, seed)
            rows.append((metric, float(a[there].mean()), float(b[there].mean()), verdict))
    corrected = holm([verdict.p for *_, verdict in rows])
    return [Line(*row, corrected=float(p)) for row, p in zip(rows, corrected, strict=True)]


def _verdict(first_B: ranking.Values, second_B: ranking.Values, test: Test, seed: int) -> Verdict:
    return t_test(second_B, first_B) if test == "t" else randomisation(second_B, first_B, seed=seed)


def _order(metric: str) -> tuple[str, int]:
    name, _, cutoff = metric.partition("@")
    return name, int(cutoff) if cutoff.isdigit() else 0


def per_case(metric: str, ranks: pl.DataFrame, suffix: str) -> ranking.Values | None:
    """A metric of each case from its counts, by its name in metrics/test.json; None for what is no mean of cases."""
    name, _, cutoff = metric.partition("@")
    greater, ties, others = (ranks[column + suffix].to_numpy() for column in ("greater", "ties", "others"))
    if name == "auc":
        return ranking.auc(greater, ties, others)
    place = ranking.positions(greater, ties)
    if name == "mrr":
        return ranking.mrr(place)
    measures = {"recall": ranking.recall, "ndcg": ranking.ndcg, "hr": ranking.hr}
    return measures[name](place, int(cutoff)) if name in measures and cutoff.isdigit() else None
