"""Protocols: which event of a user is in which part, and which of them are ranked."""

from datetime import date as Date
from typing import Annotated, Any, Literal

import numpy as np
import polars as pl
from pydantic import Field, field_validator

from engine.tables.schemas import SPLIT
from engine.tables.settings import Record
from stages.split.global_time import parts_by_time


class Protocol(Record):
    """What every protocol says: among which items a target is ranked."""

    candidates: Annotated[int, Field(ge=0)] | Literal["given"] = Field(
        0,
        description="items that a target is ranked among: 0: all; a number: so many, drawn once for each case from "
        "what the user has not acted on; given: the lists that came with the data",
    )
    seen: Literal["excluded", "kept"] = Field(
        "excluded",
        description="items that the user has had before: excluded: left out of the ranking, and a repeat is no case; "
        "kept: ranked like all others",
    )


class Temporal(Protocol):
    """The first `train` of each user's events train, the rest test; `valid` of the train part validates (000, 4.1)."""

    rule: Literal["temporal"] = Field(description="each user's first events train, their last ones test")
    train: float = Field(0.8, gt=0, lt=1, description="share of each user's events that train and validate")
    valid: float = Field(0.1, ge=0, lt=1, description="share of these that validates; 0: none")
    choice: Literal["last", "random"] = Field(
        "last", description="which of these validate: the last, or random ones that the seed draws"
    )


class LeaveOneOut(Protocol):
    """Each user's last event tests, the one before validates."""

    rule: Literal["leave_one_out"] = Field(description="each user's last event tests, the one before validates")


class RandomOne(Protocol):
    """A random event of each user tests, another random one validates (002, IV B), each after all that trains.

    What is held out stands at the end of the user's row, and no event has a time: none came before another.
    """

    rule: Literal["random_one"] = Field(description="a random event of each user tests, another one validates")


class GlobalTime(Protocol):
    """What happened before a moment trains, its last `valid` validates; what happened after it tests (001, 4.1)."""

    rule: Literal["global_time"] = Field(description="what happened before a moment trains, what came after it tests")
    date: str = Field(
        "",
        description="the moment, ISO 8601, UTC where no zone stands, e.g. '2010-01-01' (in quotes: DVC takes no YAML "
        "date); '': when the share `train` of all events had happened",
    )
    train: float = Field(0.8, gt=0, lt=1, description="where date is '': share of all events before the moment")
    valid: float = Field(
        0.1, ge=0, lt=1, description="share of the events before the moment, the last in time, that validates; 0: none"
    )
    cases: Annotated[int, Field(ge=0)] | Literal["none"] = Field(
        200,
        description="cases of valid and of test that are ranked, drawn by the seed; 0: all; none: ratings alone are "
        "predicted. Ratings are predicted for all events, whatever stands here",
    )

    @field_validator("date", mode="before")
    @classmethod
    def _yaml_date(cls, found: Any) -> Any:
        """YAML reads 2010-01-01 without quotes as a date."""
        return found.isoformat() if isinstance(found, Date) else found


RULES: dict[str, type[Protocol]] = {
    "temporal": Temporal,
    "leave_one_out": LeaveOneOut,
    "random_one": RandomOne,
    "global_time": GlobalTime,
}


def assign_parts(events: pl.DataFrame, protocol: Protocol, seed: int) -> pl.DataFrame:
    """A SPLIT table: each event of a user, in order, with its part."""
    if isinstance(protocol, RandomOne):
        return _hold_out_at_random(events, seed)
    place = pl.int_range(pl.len(), dtype=pl.UInt32).over("user").alias("position")
    split = events.select("user", place, "item", "time", "rating")
    if isinstance(protocol, GlobalTime):
        timed = parts_by_time(split["time"], protocol.date, protocol.train, protocol.valid, "protocols: global_time")
        return split.with_columns(timed).select(list(SPLIT.columns))
    position, count = pl.col("position").cast(pl.Int64), pl.len().over("user").cast(pl.Int64)
    if isinstance(protocol, Temporal):
        first_test = (count * protocol.train).floor().cast(pl.Int64).clip(lower_bound=1)
        held = (first_test * protocol.valid).floor().cast(pl.Int64)
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
