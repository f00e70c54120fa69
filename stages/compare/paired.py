"""Each metric of two revisions over the cases that both ranked, and whether they differ by more than chance."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from engine.measures import ranking
from engine.measures.rating import rmse
from engine.measures.significance import holm, randomisation, t_test
from stages.compare.interval import Bounded, bounded
from stages.compare.revision import RevisionResults

CASE = ["user", "position", "target"]  # the number of a case depends on what else was split
EVENT = ["user", "position", "item"]
Test = Literal["randomisation", "t"]
Tested = tuple[str, float, float, Bounded]  # a metric of the first and of the second


@dataclass(frozen=True)
class MetricComparison:
    """A metric of two revisions; without a test (`verdict` None) the values are those of metrics/test.json.

    `verdict`: paired test over the cases that both ranked, with the interval of the difference; `corrected`: its p, by
    Holm over all metrics.
    """

    metric: str
    first: float | None
    second: float | None
    verdict: Bounded | None = None
    corrected: float | None = None


def compare(
    first: RevisionResults, second: RevisionResults, test: Test = "randomisation", seed: int = 1
) -> list[MetricComparison]:
    """Every metric that is a mean over cases, over the cases of the same user, position and target; those of ratings
    over the events of the same user, position and item.

    Raises:
        ValueError: a revision has no ranks, or fewer than two cases and no ratings are in common.
    """
    both, ratings = common_cases(first, second), _ratings(first, second, test, seed)
    if both.height < 2 and not ratings:
        raise ValueError(
            f"{first.revision} ({first.label}) and {second.revision} ({second.label}) have {both.height} test "
            "cases in common, and a paired test needs two: compare revisions of one dataset and protocol"
        )
    rows: list[Tested] = []
    for metric in sorted(set(first.metrics) & set(second.metrics), key=_order) if both.height > 1 else ():
        a, b = per_case(metric, both, ""), per_case(metric, both, "_second")
        if a is None or b is None:
            continue
        there = np.isfinite(a) & np.isfinite(b)
        if there.sum() > 1:
            verdict = _verdict(a[there], b[there], test, seed)
            rows.append((metric, float(a[there].mean()), float(b[there].mean()), verdict))
    rows += ratings
    corrected = holm([verdict.p for *_, verdict in rows])
    return [MetricComparison(*row, corrected=float(p)) for row, p in zip(rows, corrected, strict=True)]


def common_cases(first: RevisionResults, second: RevisionResults) -> pl.DataFrame:
    """The cases that both ranked; the second's counts have the suffix `_second`."""
    for results in (first, second):
        if results.ranks is None:
            raise ValueError(results.missing)
    assert first.ranks is not None
    assert second.ranks is not None
    return first.ranks.join(second.ranks, on=CASE, how="inner", suffix="_second", validate="1:1").sort(CASE)


def other_rivals(both: pl.DataFrame) -> int:
    """How many common cases were ranked among more items on one side than on the other, where both ranked any."""
    measured = pl.min_horizontal("others", "others_second") > 0
    return both.filter(measured & (pl.col("others") != pl.col("others_second"))).height


def _ratings(first: RevisionResults, second: RevisionResults, test: Test, seed: int) -> list[Tested]:
    """RMSE and MAE over the events that both predicted; what is tested of RMSE is the mean of squared errors."""
    if first.errors is None or second.errors is None:
        return []
    both = first.errors.join(second.errors, on=EVENT, how="inner", suffix="_second", validate="1:1").sort(EVENT)
    rows: list[Tested] = []
    for metric in ("mae", "rmse") if both.height > 1 else ():
        if metric in first.metrics and metric in second.metrics:
            a, b = per_event(metric, both, ""), per_event(metric, both, "_second")
            shown = [float(v.mean()) if metric == "mae" else rmse(v) for v in (a, b)]
            rows.append((metric, shown[0], shown[1], _verdict(a, b, test, seed)))
    return rows


def per_event(metric: str, errors: pl.DataFrame, suffix: str) -> ranking.Values:
    """What each event adds to a metric of ratings: its squared error, or the absolute one."""
    values: ranking.Values = errors[{"rmse": "squared", "mae": "absolute"}[metric] + suffix].to_numpy()
    return values


def untested(first: RevisionResults, second: RevisionResults) -> list[MetricComparison]:
    """Every metric of either revision as metrics/test.json has it."""
    names = sorted(set(first.metrics) | set(second.metrics), key=_order)
    return [MetricComparison(name, first.metrics.get(name), second.metrics.get(name)) for name in names]


def _verdict(first_B: ranking.Values, second_B: ranking.Values, test: Test, seed: int) -> Bounded:
    verdict = t_test(second_B, first_B) if test == "t" else randomisation(second_B, first_B, seed=seed)
    return bounded(verdict, second_B, first_B)


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
