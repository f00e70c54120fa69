"""Windows of time: where they start, which one an event lies in, and the topics of them."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.tables.arrays import vectors

PERIODS = {"hour": "1h", "day": "1d", "week": "1w"}
LENGTHS = {"hour": 3_600_000_000, "day": 86_400_000_000, "week": 604_800_000_000}  # microseconds

Whole = NDArray[np.int64]
Shares = NDArray[np.float32]


def windows(time: pl.Expr, window: str) -> pl.Expr:
    """The start of the window that holds each time; weeks start on Monday 00:00 UTC.

    Raises:
        ValueError: the window is none of hour, day, week.
    """
    if window not in PERIODS:
        raise ValueError(f"topics.window: {window!r} is no window; it is one of {', '.join(PERIODS)}")
    return time.dt.truncate(PERIODS[window])


def profile_arrays(
    events: pl.DataFrame, history: pl.DataFrame, items: pl.DataFrame, window: str
) -> tuple[tuple[Whole, Whole, Whole, Whole], Shares, Shares]:
    """What `training.profile.profiles` reads: of each event its user, window, history row and item row; then the
    shares of histories and of items. Events without times: each event is a window of its own.

    Raises:
        ValueError: no topics, tables of different widths, a time that goes back within a user, times only in part.
    """
    width = _width(history, items)
    share_NT = vectors(items["share"]).astype(np.float32)
    past_HT = vectors(history["share"]).astype(np.float32).reshape(-1, width)
    place = np.full(1 + max(_highest(items), _highest(events)), -1, np.int64)
    place[items["item"].to_numpy()] = np.arange(items.height)
    item, user = place[events["item"].to_numpy()], events["user"].to_numpy().astype(np.int64)
    if events.height and events["time"].null_count() == events.height:
        period, row, past_HT = np.arange(events.height), item, share_NT
    else:
        period, row = _periods(events, history, window)
    return (user, period, row, item), past_HT, share_NT


def _width(history: pl.DataFrame, items: pl.DataFrame) -> int:
    if items.height == 0:
        raise ValueError("no item has topics: the table is empty; set contents.<content>.topics.method to make them")
    widths = [frame.schema["share"].size for frame in (items, history) if frame.height]  # type: ignore[attr-defined]
    if len(set(widths)) > 1:
        raise ValueError(f"items have {widths[0]} topics and histories {widths[1]}: run `dvc repro` again")
    return int(widths[0])


def _highest(frame: pl.DataFrame) -> int:
    return int(frame["item"].max() or 0)  # type: ignore[arg-type]


def _periods(events: pl.DataFrame, history: pl.DataFrame, window: str) -> tuple[Whole, Whole]:
    """Number of each event's window, and its row in the history (-1: none), each [E]."""
    nulls = events["time"].null_count()
    if nulls:
        raise ValueError(f"{nulls} of {events.height} events have no time; give all of them one, or none")
    known = history.select("user", "window").with_row_index("row")
    found = events.select("user", windows(pl.col("time"), window).alias("window")).join(
        known, on=["user", "window"], how="left", maintain_order="left", validate="m:1"
    )
    # a window of weeks starts on a Monday and the epoch was a Thursday: floor division still numbers windows by one
    period = found["window"].dt.epoch("us").to_numpy() // LENGTHS[window]
    owner = np.diff(events["user"].to_numpy().astype(np.int64))
    if ((np.diff(period) < 0) & (owner == 0)).any() or (owner < 0).any():
        raise ValueError("events must be sorted by user and go forward in time within each; see the split table")
    return period, found["row"].fill_null(-1).cast(pl.Int64).to_numpy()


def labels(words: pl.DataFrame, top: int = 3) -> dict[int, str]:
    """A name for each topic: its first `top` words."""
    first = words.filter(pl.col("rank") <= top).sort("topic", "rank")
    named = first.group_by("topic", maintain_order=True).agg(pl.col("word").str.join(", "))
    return dict(named.rows())


def trend(history: pl.DataFrame, user: int, top: int = 3) -> pl.DataFrame:
    """A user's shares window by window in their heaviest topics: window, topic (from 1), share; empty if unknown."""
    own = history.filter(pl.col("user") == user)
    share_HT = vectors(own["share"])
    heaviest = np.sort(np.argsort(-share_HT.sum(axis=0), kind="stable")[:top]) if own.height else np.arange(0)
    frames = [
        own.select("window", pl.lit(t + 1, pl.UInt32).alias("topic"), pl.Series("share", share_HT[:, t], pl.Float32))
        for t in heaviest.tolist()
    ]
    empty = pl.DataFrame(schema={"window": history.schema["window"], "topic": pl.UInt32, "share": pl.Float32})
    return pl.concat([empty, *frames])
