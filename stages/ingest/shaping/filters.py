"""What is done alike to every source: ratings too low, duplicates, histories too short, order in time, dense codes."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from engine.tables.schemas import EVENTS
from stages.ingest.shaping.coded_tables import code_tables
from stages.ingest.shaping.event_log import EventLog, Mask, to_event_log
from stages.ingest.shaping.parallel import count_codes, gather
from stages.ingest.shaping.source_tables import ShapingSettings, SourceTables, empty


def finish(raw: SourceTables, steps: ShapingSettings, seed: int) -> tuple[SourceTables, dict[str, Any]]:
    """The final tables of a source's own rows, and what was counted on the way.

    Raises:
        ValueError: a step that this source cannot take, or nothing left.
    """
    report: dict[str, Any] = dict(raw.counts)
    log = to_event_log(_rated(raw.events, steps.minimum_rating, report))
    raw = replace(raw, events=empty(EVENTS))  # their memory is needed
    report["repeats"] = log.count_repeats()
    if report["repeats"] and steps.duplicates != "keep":
        _order(log, raw.ordered, seed, np.ones(len(log.user), bool))
        report["dropped_duplicates"] = _without_duplicates(log, steps.duplicates, raw.ordered)
        log.take(_long(log, steps, report))
    else:
        _order(log, raw.ordered, seed, _long(log, steps, report))
    if not len(log.user):
        rules = {name: getattr(steps, name) for name in ("minimum_rating", "minimum_history", "minimum_item")}
        raise ValueError(f"no event is left after {rules}; counted on the way: {report}")
    return code_tables(log, raw, steps.catalogue, report), report


def _rated(events: pl.DataFrame, least: float, report: dict[str, Any]) -> pl.DataFrame:
    low = int((events["rating"] < least).sum())
    if least > 0 and events["rating"].null_count():
        without = events["rating"].null_count()
        raise ValueError(
            f"minimum_rating is {least}, but {without} of {events.height} events have no rating; set it to 0"
        )
    report["dropped_minimum_rating"] = low
    return events.filter(pl.col("rating").is_null() | (pl.col("rating") >= least)) if low else events


def _order(log: EventLog, ordered: bool, seed: int, kept: Mask) -> None:
    if ordered:
        log.take(kept)
        log.take(np.argsort(log.user, kind="stable"))
    else:
        log.sort(seed, kept)


def _without_duplicates(log: EventLog, rule: str, ordered: bool) -> int:
    rows = len(log.user)
    if rule == "exact":
        if ordered:
            raise ValueError(
                "duplicates: exact needs times (without them each repeat is an act of its own); "
                "choose keep, first or last"
            )
        log.take(~log.equals_previous(("user", "time", "item", "rating")))
    else:
        pairs = pl.Series(log.pair_keys())
        log.take((pairs.is_first_distinct() if rule == "first" else pairs.is_last_distinct()).to_numpy())
    return rows - len(log.user)


def _long(log: EventLog, steps: ShapingSettings, report: dict[str, Any]) -> Mask:
    """Rows of the items and users that have their minimum."""
    kept: Mask = np.ones(len(log.user), bool)
    rules = {
        "item": (log.item, len(log.items), steps.minimum_item),
        "history": (log.user, len(log.users), steps.minimum_history),
    }
    report |= {f"dropped_minimum_{name}": 0 for name in rules}
    while True:
        before = np.count_nonzero(kept)
        for name, (codes, count, least) in rules.items():
            if least > 1:
                there = np.count_nonzero(kept)
                kept &= gather(count_codes(codes, kept, count) >= least, codes)
                report[f"dropped_minimum_{name}"] += int(there - np.count_nonzero(kept))
        if steps.minimum_rule == "once" or np.count_nonzero(kept) == before:
            return kept
