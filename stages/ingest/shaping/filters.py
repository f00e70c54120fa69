"""What is done alike to every source: ratings too low, duplicates, histories too short, order in time, dense codes."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from engine.tables.schemas import EVENTS
from stages.ingest.reading.shares import refuse_all, warn_many
from stages.ingest.shaping.coded_tables import code_tables
from stages.ingest.shaping.event_log import EventLog, Mask, to_event_log
from stages.ingest.shaping.parallel import count_codes, gather
from stages.ingest.shaping.plausible import compare_items, warn_density, warn_sorted_ids
from stages.ingest.shaping.source_tables import ShapingSettings, SourceTables, empty


def finish(raw: SourceTables, steps: ShapingSettings, seed: int) -> tuple[SourceTables, dict[str, Any]]:
    """The final tables of a source's own rows, and what was counted on the way.

    Raises:
        ValueError: a step that this source cannot take, or that leaves nothing; it names the step.
    """
    report: dict[str, Any] = dict(raw.counts)
    if not raw.events.height:
        raise ValueError(f"the source has no event left; counted on the way: {report}")
    log = to_event_log(_rated(raw.events, steps.minimum_rating, report))
    raw = replace(raw, events=empty(EVENTS))  # their memory is needed
    compare_items(log.items, raw.items["item"].cast(log.items.dtype))
    report["repeats"] = log.count_repeats()
    warn_density(len(log.user) - report["repeats"], len(log.user), len(log.users), len(log.items))
    if report["repeats"] and steps.duplicates != "keep":
        _order(log, raw.ordered, seed, np.ones(len(log.user), bool), steps.ties)
        report["dropped_duplicates"] = _without_duplicates(log, steps, raw.ordered)
        log.take(_long(log, steps, report))
    else:
        _order(log, raw.ordered, seed, _long(log, steps, report), steps.ties)
    if (rising := warn_sorted_ids(log)) is not None:
        report["rising_ids"] = round(rising, 3)
    return code_tables(log, raw, steps.catalogue, report), report


def _rated(events: pl.DataFrame, least: float, report: dict[str, Any]) -> pl.DataFrame:
    """The events rated `least` or more; 0: all, whatever their rating."""
    report["dropped_minimum_rating"] = 0
    if least == 0:
        return events
    rating = events["rating"]
    if without := rating.null_count():
        raise ValueError(
            f"minimum_rating is {least}, but {without} of {events.height} events have no rating; set it to 0"
        )
    low = int((rating < least).sum())
    report["dropped_minimum_rating"] = low
    known = f"ratings go from {rating.min()!r} to {rating.max()!r}"
    said = f"minimum_rating {least} drops {low} of {events.height} events; {known}"
    refuse_all(low, events.height, f"no event is left: {said}")
    warn_many(low, events.height, f"{said}, e.g. one of {rating.filter(rating < least)[:1].to_list()}")
    return events.filter(pl.col("rating") >= least) if low else events


def _order(log: EventLog, ordered: bool, seed: int, kept: Mask, ties: str) -> None:
    if ordered:
        log.take(kept)
        log.take(np.argsort(log.user, kind="stable"))
    else:
        log.sort(seed, kept, ties)


def _without_duplicates(log: EventLog, steps: ShapingSettings, ordered: bool) -> int:
    rows, rule = len(log.user), steps.duplicates
    if rule == "exact":
        if ordered:
            raise ValueError(
                "duplicates: exact needs times (without them each repeat is an act of its own); "
                "choose keep, first or last"
            )
        by_hash = steps.ties == "hash"  # which puts equal rows side by side
        log.take(~log.equals_previous(("user", "time", "item", "rating")) if by_hash else log.first_of_equals())
    else:
        pairs = pl.Series(log.pair_keys())
        log.take((pairs.is_first_distinct() if rule == "first" else pairs.is_last_distinct()).to_numpy())
    return rows - len(log.user)


def _long(log: EventLog, steps: ShapingSettings, report: dict[str, Any]) -> Mask:
    """Rows of the items and users that have their minimum.

    Raises:
        ValueError: none is left; names the minimum that took the last, and the most that one has.
    """
    kept: Mask = np.ones(len(log.user), bool)
    rules = {
        "item": (log.item, log.items, steps.minimum_item),
        "history": (log.user, log.users, steps.minimum_history),
    }
    report |= {f"dropped_minimum_{name}": 0 for name in rules}
    dropped = dict.fromkeys(rules, "")
    while True:
        before = np.count_nonzero(kept)
        for name, (codes, ids, least) in rules.items():
            if least > 1:
                there = np.count_nonzero(kept)
                count = count_codes(codes, kept, len(ids))
                few = (count > 0) & (count < least)
                kept &= gather(count >= least, codes)
                report[f"dropped_minimum_{name}"] += int(there - np.count_nonzero(kept))
                if few.any() and not dropped[name]:
                    place = int(few.argmax())
                    role = "item" if name == "item" else "user"
                    dropped[name] = (
                        f"e.g. {role} {ids[place]!r} with {count[place]}; the most that one has is {count.max()}"
                    )
                if not kept.any():
                    raise ValueError(
                        f"no event is left: minimum_{name} {least} drops the last {there}, {dropped[name]}"
                    )
        if steps.minimum_rule == "once" or np.count_nonzero(kept) == before:
            break
    for name, (_, _, least) in rules.items():
        lost = report[f"dropped_minimum_{name}"]
        warn_many(lost, len(kept), f"minimum_{name} {least} drops {lost} of {len(kept)} events, {dropped[name]}")
    return kept
