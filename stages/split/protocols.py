"""Protocols: which event of a user is in which part, and which of them are ranked."""

from typing import Annotated, Literal

import numpy as np
import polars as pl
from pydantic import Field

from engine.tables.schemas import SPLIT
from engine.tables.settings import Record
from stages.split.global_time import parts


class Protocol(Record):
    """`candidates`: 0 ranks all items, a number freezes so many uniform rivals a case, `given` takes the data's own."""

    candidates: Annotated[int, Field(ge=0)] | Literal["given"]
    seen: Literal["excluded", "kept"]


class Temporal(Protocol):
    """The first `train` of each user's events train, the rest test; `valid` of the train part validates (000, 4.1).

    `choice`: the last of them, or the random ones of the paper, which a seed draws.
    """

    rule: Literal["temporal"]
    train: float = Field(gt=0, lt=1)
    valid: float = Field(ge=0, lt=1)
    choice: Literal["last", "random"]


class LeaveOneOut(Protocol):
    """Each user's last event tests, the one before validates."""

    rule: Literal["leave_one_out"]


class RandomOne(Protocol):
    """A random event of each user tests, another random one validates (002, IV B), each after all that trains.

    What is held out stands at the end of the user's row, and no event has a time: none came before another.
    """

    rule: Literal["random_one"]


class GlobalTime(Protocol):
    """What happened before a moment trains, its last `valid` validates; what happened after it tests (001, 4.1).

    `date`: the moment; empty: when `train` of all events had happened. `cases`: how many of valid and of test are
    ranked, drawn by the seed (0: all); ratings are predicted for all of them.
    """

    rule: Literal["global_time"]
    date: str
    train: float = Field(gt=0, lt=1)
    valid: float = Field(ge=0, lt=1)
    cases: int = Field(ge=0)


RULES: dict[str, type[Protocol]] = {
    "temporal": Temporal,
    "leave_one_out": LeaveOneOut,
    "random_one": RandomOne,
    "global_time": GlobalTime,
}


def parted(events: pl.DataFrame, protocol: Protocol, seed: int) -> pl.DataFrame:
    """A SPLIT table: each event of a user, in order, with its part."""
    if isinstance(protocol, RandomOne):
        return _shuffled(events, seed)
    place = pl.int_range(pl.len(), dtype=pl.UInt32).over("user").alias("position")
    split = events.select("user", place, "item", "time", "rating")
    if isinstance(protocol, GlobalTime):
        timed = parts(split["time"], protocol.date, protocol.train, protocol.valid, "protocols: global_time")
        return split.with_columns(timed).select(list(SPLIT.columns))
    position, count = pl.col("position").cast(pl.Int64), pl.len().over("user").cast(pl.Int64)
    if isinstance(protocol, Temporal):
        first_test = (count * protocol.train).floor().cast(pl.Int64).clip(lower_bound=1)
        held = (first_test * protocol.valid).floor().cast(pl.Int64)
        if protocol.choice == "random":
            split = split.with_columns(_lot(split, seed))
            order = pl.col("lot").rank("ordinal").over("user", position.ge(first_test) | position.eq(0))
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


def _shuffled(events: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Users of at least 3 events: what trains as it came, then the event that validates, then the one that tests."""
    split = events.select("user", "item", pl.lit(None, SPLIT.columns["time"]).alias("time"), "rating")
    split = split.with_columns(_lot(split, seed))
    order = pl.col("lot").rank("ordinal", descending=True).over("user")
    place = pl.when(pl.len().over("user") >= 3).then(order)
    part = pl.when(place == 1).then(pl.lit("test")).when(place == 2).then(pl.lit("valid")).otherwise(pl.lit("train"))
    late = pl.col("part").replace_strict({"train": 0, "valid": 1, "test": 2}, return_dtype=pl.UInt8)
    split = split.with_columns(part.alias("part")).sort("user", late, maintain_order=True)
    position = pl.int_range(pl.len(), dtype=pl.UInt32).over("user").alias("position")
    return split.with_columns(position).select(list(SPLIT.columns))


def _lot(split: pl.DataFrame, seed: int) -> pl.Series:
    return pl.Series("lot", np.random.default_rng(seed).random(split.height))


def ranked(split: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    """The CASES: every valid and test event; one whose item the user has had before is none where seen is excluded.

    A case's position is how many of its user's events come before it. Under `random_one` what validates does not come
    before what tests: both come after all that trains.
    """
    found = split.with_columns(pl.col("position").cum_count().over("user", "item").alias("time_seen"))
    found = found.filter(pl.col("part") != "train")
    if protocol.seen == "excluded":
        found = found.filter(pl.col("time_seen") == 1)
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
