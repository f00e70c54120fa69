"""Protocols: which event of a user is in which part, and which of them are ranked."""

import numpy as np
import polars as pl

from engine.tables.schemas import SPLIT
from stages.split.global_time import parts_by_time
from stages.split.settings import ROUNDING, Everything, GlobalTime, Protocol, RandomOne, Temporal


def assign_parts(events: pl.DataFrame, protocol: Protocol, seed: int, where: str = "protocols") -> pl.DataFrame:
    """A SPLIT table: each event of a user, in order, with its part; `where` the protocol's section stands."""
    if isinstance(protocol, RandomOne):
        return _hold_out_at_random(events, seed)
    place = pl.int_range(pl.len(), dtype=pl.UInt32).over("user").alias("position")
    split = events.select("user", place, "item", "time", "rating")
    if isinstance(protocol, GlobalTime):
        timed = parts_by_time(split["time"], protocol.date, protocol.train, protocol.valid, where)
        return split.with_columns(timed).select(list(SPLIT.columns))
    if isinstance(protocol, Everything):
        return split.with_columns(part=pl.lit("train")).select(list(SPLIT.columns))
    position, count = pl.col("position").cast(pl.Int64), pl.len().over("user").cast(pl.Int64)
    if isinstance(protocol, Temporal):
        first_test = (count * (protocol.train + ROUNDING)).floor().cast(pl.Int64).clip(lower_bound=1)
        held = (first_test * (protocol.valid + ROUNDING)).floor().cast(pl.Int64)
        if protocol.choice == "random":
            split = split.with_columns(_random_numbers(split, seed))
            order = pl.col("random").rank("ordinal").over("user", position.ge(first_test) | position.eq(0))
            valid = (position > 0) & (position < first_test) & (order <= held)
        else:
            valid = (position > 0) & (position >= first_test - held) & (position < first_test)
        part = pl.when(position >= first_test).then(pl.lit("test")).when(valid).then(pl.lit("valid"))
    else:
        part = (
            pl.when((count >= 3) & (position == count - 1))
            .then(pl.lit("test"))
            .when((count >= 3) & (position == count - 2))
            .then(pl.lit("valid"))
        )
    return split.with_columns(part.otherwise(pl.lit("train")).alias("part")).select(list(SPLIT.columns))


def _hold_out_at_random(events: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Users of at least 3 events: what trains as it came, then the event that validates, then the one that tests."""
    split = events.select("user", "item", pl.lit(None, SPLIT.columns["time"]).alias("time"), "rating")
    split = split.with_columns(_random_numbers(split, seed))
    order = pl.col("random").rank("ordinal", descending=True).over("user")
    place = pl.when(pl.len().over("user") >= 3).then(order)
    part = pl.when(place == 1).then(pl.lit("test")).when(place == 2).then(pl.lit("valid")).otherwise(pl.lit("train"))
    late = pl.col("part").replace_strict({"train": 0, "valid": 1, "test": 2}, return_dtype=pl.UInt8)
    split = split.with_columns(part.alias("part")).sort("user", late, maintain_order=True)
    position = pl.int_range(pl.len(), dtype=pl.UInt32).over("user").alias("position")
    return split.with_columns(position).select(list(SPLIT.columns))


def _random_numbers(split: pl.DataFrame, seed: int) -> pl.Series:
    return pl.Series("random", np.random.default_rng(seed).random(split.height))


def make_cases(split: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    """The CASES: every valid and test event; one whose item the user has had before is none where seen is excluded.

    A case's position is how many of its user's events come before it. Under `random_one` what validates does not come
    before what tests: both come after all that trains.
    """
    found = split.with_columns(pl.col("position").cum_count().over("user", "item").alias("times_seen"))
    found = found.filter(pl.col("part") != "train")
    if protocol.seen == "excluded":
        found = found.filter(pl.col("times_seen") == 1)
    beside = pl.lit(isinstance(protocol, RandomOne)) & (pl.col("part") == "test")
    position = pl.col("position") - beside.cast(pl.UInt32)
    return found.select(
        pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).alias("case"),
        "part",
        "user",
        position.alias("position"),
        pl.col("item").alias("target"),
        pl.lit(None, dtype=pl.List(pl.UInt32)).alias("candidates"),
    )


def sample_cases(cases: pl.DataFrame, count: int, seed: int) -> pl.DataFrame:
    """At most `count` cases of each part, drawn by the seed, numbered again; all of them where it is 0."""
    if not count:
        return cases
    generator = np.random.default_rng(seed)
    kept: list[int] = []
    for part in ("valid", "test"):
        rows = (cases["part"] == part).arg_true().to_numpy()
        kept += generator.choice(rows, min(count, len(rows)), replace=False).tolist()
    return cases[sorted(kept)].with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).alias("case"))
