"""One moment for everyone: what is before it, what is after, and who is new then."""

from datetime import UTC, datetime
from typing import Any

import polars as pl

from stages.split.settings import ROUNDING


def cut_time(time: pl.Series, date: str, share: float, where: str) -> datetime:
    """The date (ISO 8601, midnight UTC where no hour stands), or the time of the event after `share` of them all.

    Raises:
        ValueError: an event has no time, the date does not parse, or nothing lies on one side of it.
    """
    if time.null_count() or not len(time):
        raise ValueError(
            f"{where}: cutting by time needs it, and {time.null_count()} of {len(time)} events have none; another "
            "protocol does without"
        )
    if not date:
        return _utc(time.sort()[min(int(len(time) * (share + ROUNDING)), len(time) - 1)])
    try:
        found = _utc(datetime.fromisoformat(date))
    except ValueError:
        raise ValueError(f"{where}.date: {date!r} is no date; write it as 2010-01-01, or leave it empty") from None
    if not time.min() < found <= time.max():  # type: ignore[operator]
        first, last = _utc(time.sort()[0]), _utc(time.sort()[-1])
        raise ValueError(f"{where}.date: {date} must lie inside the events, {first} to {last}")
    return found


def _utc(found: datetime) -> datetime:
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def parts_by_time(time: pl.Series, date: str, train: float, valid: float, where: str) -> pl.Series:
    """train, valid or test of each event: test from the moment on, valid the last `valid` of what is before it."""
    test = cut_time(time, date, train, where)
    before = time.filter(time < test).sort()
    count = max(int(len(before) * (valid + ROUNDING)), 1)  # where some are wanted
    held = _utc(before[-count]) if valid and len(before) else test
    names = pl.DataFrame({"time": time}).select(
        pl.when(pl.col("time") >= test)
        .then(pl.lit("test"))
        .when((pl.col("time") >= held) if valid else pl.lit(False))
        .then(pl.lit("valid"))
        .otherwise(pl.lit("train"))
        .alias("part")
    )
    if "train" not in names["part"]:
        raise ValueError(_nothing_trains(time, test, held, date, where))
    return names["part"]


def _nothing_trains(time: pl.Series, test: datetime, held: datetime, date: str, where: str) -> str:
    begun = f"{where}: no event lies before {held:%Y-%m-%d %H:%M:%S}, so there is nothing to learn from; "
    if time.min() == time.max():
        return begun + "all events are of that moment, and another protocol is needed"
    later = f"a later {where}.date" if date else f"a larger {where}.train"
    return f"{begun}{later if held == test else f'a smaller {where}.valid, or {later},'} leaves some"


def cold_start(split: pl.DataFrame) -> dict[str, Any]:
    """Who and what is in test and not in train, how many test events that concerns, and where the parts begin."""
    train, test = split.filter(pl.col("part") == "train"), split.filter(pl.col("part") == "test")
    found: dict[str, Any] = {}
    fresh = pl.lit(False)
    for name in ("user", "item"):
        new = ~pl.col(name).is_in(train[name].unique().to_list())
        found[f"cold_{name}s"] = test.filter(new)[name].n_unique()
        found[f"cold_{name}_events"] = test.filter(new).height
        fresh = fresh | new
    starts = {f"{part}_from": split.filter(pl.col("part") == part)["time"].min() for part in ("valid", "test")}
    return found | {"cold_events": test.filter(fresh).height} | {k: v and str(v) for k, v in starts.items()}
