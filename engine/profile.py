"""What a person cares about right after each event: topic shares of the past, decayed (Ante-RNN, eq. 7)."""

from itertools import pairwise

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import DTypeLike, NDArray

from engine.store import vectors

PERIODS = {"hour": "1h", "day": "1d", "week": "1w"}
LENGTHS = {"hour": 3_600_000_000, "day": 86_400_000_000, "week": 604_800_000_000}  # microseconds
BLOCK = 1 << 18  # events at a time, so that the 32-bit copy beside a 16-bit result stays small

Floats = NDArray[np.float32]
Whole = NDArray[np.int64]


def windows(time: pl.Expr, window: str) -> pl.Expr:
    """The start of the window that holds each time; weeks start on Monday 00:00 UTC.

    Raises:
        ValueError: the window is none of hour, day, week.
    """
    if window not in PERIODS:
        raise ValueError(f"topics.window: {window!r} is no window; it is one of {', '.join(PERIODS)}")
    return time.dt.truncate(PERIODS[window])


def profiles(
    events: pl.DataFrame,
    history: pl.DataFrame,
    items: pl.DataFrame,
    decay: float,
    window: str,
    dtype: DTypeLike = np.float32,
) -> NDArray[np.floating]:
    """The topic profile right after each event [E, T], rows in the order of `events` (by user, then position).

    A completed window counts with its history share times exp(-decay * windows since); the window that is going on
    counts with weight 1 as the mean share of the items acted on in it so far, never with its history row, which
    holds its future. The weights are divided by their sum, so that rows sum to 1; uniform before anything is known.
    Events without times: each event is a window of its own.

    Args:
        events: user, item, time of a split table. history, items: topic tables; an item without a row counts nothing.

    Raises:
        ValueError: no topics, tables of different widths, a time that goes back within a user, times only in part.
    """
    width = _width(history, items)
    if decay < 0:
        raise ValueError(f"topics.decay: {decay} would make the distant past weigh more; it is 0 or more")
    share_NT = vectors(items["share"]).astype(np.float32)
    past_HT = vectors(history["share"]).astype(np.float32).reshape(-1, width)
    place = np.full(1 + max(_highest(items), _highest(events)), -1, np.int64)
    place[items["item"].to_numpy()] = np.arange(items.height)
    item, user = place[events["item"].to_numpy()], events["user"].to_numpy().astype(np.int64)
    if events.height and events["time"].null_count() == events.height:
        period, row, past_HT = np.arange(events.height), item, share_NT
    else:
        period, row = _periods(events, history, window)
    out = np.empty((events.height, width), dtype)
    starts = np.flatnonzero(np.diff(user, prepend=-1))
    inner = starts[np.searchsorted(starts, np.arange(0, len(user), BLOCK), "right") - 1]
    cuts = np.unique(np.append(inner, len(user)))
    for a, b in pairwise(cuts.tolist()):
        out[a:b] = _decayed(user[a:b], period[a:b], row[a:b], item[a:b], past_HT, share_NT, decay)
    return out


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


def _width(history: pl.DataFrame, items: pl.DataFrame) -> int:
    if items.height == 0:
        raise ValueError("no item has topics: the table is empty; set topics.method to make them")
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


@njit(cache=False)
def _decayed(
    user: Whole, period: Whole, row: Whole, item: Whole, past_HT: Floats, share_NT: Floats, decay: float
) -> Floats:
    """One pass: `before` is the mean of the completed windows and `mass` its weight; `now` sums the window going on."""
    width = share_NT.shape[1]
    out = np.empty((len(user), width), np.float32)
    before, now = np.full(width, 1.0 / width), np.zeros(width)
    mass, count = 0.0, 0
    for e in range(len(user)):
        if e == 0 or user[e] != user[e - 1]:
            before[:], now[:] = 1.0 / width, 0.0
            mass, count = 0.0, 0
        elif period[e] != period[e - 1]:
            done = row[e - 1] >= 0
            if done:
                before[:] = (mass * before + past_HT[row[e - 1]]) / (mass + 1.0)
            mass = (mass + done) * np.exp(-decay * (period[e] - period[e - 1]))
            now[:] = 0.0
            count = 0
        if item[e] >= 0:
            now += share_NT[item[e]]
            count += 1
        out[e] = (mass * before + now / count) / (mass + 1.0) if count else before
    return out
