"""Who clicked what, in order: ratings of a MovieLens folder, or ids drawn in the shape of ml-100k (no real data)."""

from pathlib import Path

import numpy as np
import polars as pl

from engine.tables.arrays import event_columns
from engine.training.interactions import Interactions

USERS, ITEMS, EVENTS = 943, 1682, 100_000


def clicks(folder: Path | None) -> Interactions:
    """All events as training events, users and items coded from 1."""
    if folder is None:
        rng = np.random.default_rng(1)
        weight = rng.lognormal(0, 0.95, USERS)
        length = np.maximum((weight / weight.sum() * EVENTS).astype(int), 20)
        popularity = 1 / (np.arange(1, ITEMS + 1) + 20.0)
        item = rng.choice(ITEMS, int(length.sum()), p=popularity / popularity.sum()) + 1
        frame = pl.DataFrame({"user": np.repeat(np.arange(1, USERS + 1), length), "item": item})
        items = ITEMS
    else:
        frame = pl.read_csv(folder / "ratings.csv").sort("userId", "timestamp")
        frame = frame.select(user=pl.col("userId").rank("dense"), item=pl.col("movieId").rank("dense"))
        items = int(frame["item"].max())  # type: ignore[arg-type]
    frame = frame.cast(pl.UInt32).with_columns(time=pl.lit(None, dtype=pl.Datetime("us", "UTC")))
    return Interactions.of(event_columns(frame), items)


def about(train: Interactions) -> str:
    """One line for the head of a table."""
    return f"{train.users:,} users, {train.items:,} items, {len(train):,} events"
