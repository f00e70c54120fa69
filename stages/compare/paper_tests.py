"""How a metric of each of a paper's cells differs from the first cell's, over the cases or events that both have."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from engine.measures.ranking import Values
from engine.measures.significance import t_test
from engine.tables import store
from engine.tables.schemas import ERRORS, RANKS
from stages.compare.interval import Bounded, bounded
from stages.compare.paired import CASE, EVENT, other_rivals, per_case, per_event

ERRORS_OF = ("rmse", "mae")  # over rated events, not over ranked cases


def against(rows: list[dict[str, Any]], cells: Path, metric: str, tested: bool) -> list[Bounded | None]:
    """Each cell's difference from the first; None where that is not `tested`, one of the two ended at its cap, or has
    nothing measured: who predicts no ratings has no errors.

    Raises:
        ValueError: they ranked other cases, whether or not they are tested: such rows stand in no table together.
    """
    table, key, path = (ERRORS, EVENT, "errors.parquet") if metric in ERRORS_OF else (RANKS, CASE, "test.parquet")
    first, *others = (store.read(cells / row["cell"] / "ranks" / path, table) for row in rows)
    found: list[Bounded | None] = [None]
    for row, second in zip(rows[1:], others, strict=True):
        if not (first.height and second.height):
            found.append(None)
            continue
        both = first.join(second, on=key, suffix="_second", validate="1:1")
        told = f"{row['cell']} and {rows[0]['cell']} ranked"
        if not both.height == first.height == second.height:
            raise ValueError(
                f"{told} other cases: {both.height} of {max(first.height, second.height)} are common; "
                "both of them on the same data, run anew, would do"
            )
        if table is RANKS and (many := other_rivals(both)):
            raise ValueError(
                f"{told} {many} of {both.height} cases among other numbers of items; one protocol for both would do"
            )
        fair = tested and not rows[0]["ended_at_cap"] and not row["ended_at_cap"]
        found.append(_verdict(both, metric) if fair else None)
    return found


def _verdict(both: pl.DataFrame, metric: str) -> Bounded | None:
    """None where fewer than two cases can be measured on both sides."""
    if both.height < 2:
        return None
    if metric in ERRORS_OF:
        return _tested(per_event(metric, both, "_second"), per_event(metric, both, ""))
    own, other = per_case(metric, both, ""), per_case(metric, both, "_second")
    if own is None or other is None:
        raise ValueError(
            f"{metric} is no mean over cases; recall@k, ndcg@k, hr@k, mrr and auc are; rmse, mae over events"
        )
    there = np.isfinite(own) & np.isfinite(other)
    return _tested(other[there], own[there]) if there.sum() > 1 else None


def _tested(second_B: Values, first_B: Values) -> Bounded:
    return bounded(t_test(second_B, first_B), second_B, first_B)
