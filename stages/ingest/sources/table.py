"""Your own tables (CSV, TSV, Parquet): events of user, item, time, rating; items with what they are and look like."""

from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from engine.tables.schemas import EVENTS
from stages.ingest.reading import item_table, raw_files, table_files
from stages.ingest.reading.columns import Column, Tally
from stages.ingest.reading.shares import refuse_all, warn_many
from stages.ingest.shaping.codes import encode
from stages.ingest.shaping.order import id_hashes, pair_hash
from stages.ingest.shaping.plausible import refuse_one_item
from stages.ingest.shaping.source_tables import ShapingSettings, SourceTables


class Settings(ShapingSettings, item_table.ItemTable):
    """The events file and its columns, and the items file."""

    events: str = Field(
        min_length=1, description="file of the events: .csv, .tsv, .tab, .parquet, or a folder of .parquet parts"
    )
    user: str = Field("user", min_length=1, description="column of the user's id")
    item: str = Field("item", min_length=1, description="column of the item's id")
    time: str = Field("time", description="column of the time; '': no times, the order of the events is all there is")
    time_form: Literal["seconds", "milliseconds", "iso"] = Field(
        "seconds",
        description="how times are written: unix seconds, unix milliseconds, or ISO 8601 (UTC without a zone)",
    )
    order: str = Field(
        "", description="without times: column of whole numbers that rise as a user goes on; '': the order of the file"
    )
    earliest_year: int = Field(1990, ge=1970, le=2100, description="a time before this year is a bad row")
    rating: str = Field("", description="column of the rating, a number; '': none")

    @model_validator(mode="after")
    def _one_column_each(self) -> "Settings":
        columns = {name: getattr(self, name) for name in ("user", "item", "time", "order", "rating")}
        for name, column in columns.items():
            if alike := [other for other in columns if column and other != name and columns[other] == column]:
                raise ValueError(f"{name} and {alike[0]} both name the column {column!r}; name one of its own for each")
        return self

    @model_validator(mode="after")
    def _one_order(self) -> "Settings":
        if self.time and self.order:
            raise ValueError(f"time is {self.time!r} and order {self.order!r}; set one of them to ''")
        return self


def files(settings: Settings) -> list[Path]:
    """The events and the items; of a folder all its files."""
    named = [raw_files.find(path) for path in (settings.events, settings.items) if path]
    return [file for path in named for file in raw_files.listed(path)]


def read(settings: Settings, seed: int) -> SourceTables:
    """Events and items as they stand in the files."""
    events, counts = _events(settings)
    refuse_one_item(events, settings.events)
    if settings.order:
        events, counts["tied_in_order"] = _ordered(events, seed, settings.ties)
    found = item_table.read(settings, settings.bad_rows)
    return SourceTables(
        events.select("user", "item", "rating", "time"),
        found.items,
        found.catalog,
        images=found.images,
        counts=counts | found.counts,
        ordered=not settings.time,
    )


def _events(settings: Settings) -> tuple[pl.DataFrame, dict[str, int | float]]:
    tally = Tally(raw_files.find(settings.events))
    columns = {"user": Column(settings.user, "id"), "item": Column(settings.item, "id")}
    if settings.time:
        columns["time"] = Column(settings.time, settings.time_form, earliest=settings.earliest_year)
    if settings.order:
        columns["order"] = Column(settings.order, "number")
    if settings.rating:
        columns["rating"] = Column(settings.rating, "rating", optional=True)
    events = table_files.read(columns, tally, settings.quotes)
    counts = tally.settle(settings.bad_rows)
    if settings.rating:
        bare = events["rating"].null_count()
        said = f"{tally.path}: column {settings.rating!r} is empty in {bare} of {events.height} rows"
        refuse_all(bare, events.height, f"{said}; set rating to '' where there are no ratings")
        warn_many(bare, events.height, said)
    absent = {name: pl.lit(None, EVENTS.columns[name]) for name in ("rating", "time") if name not in columns}
    return events.with_columns(**absent), counts


def _ordered(events: pl.DataFrame, seed: int, ties: str) -> tuple[pl.DataFrame, int]:
    """The events by their order column, ties by a seeded hash of (user, item) or in the order of the file; and how
    many are tied in it.
    """
    tied = int(events.select(pl.struct("user", "order").is_duplicated().sum()).item())
    if ties == "file":
        return events.sort("order", maintain_order=True), tied
    hashed = []
    for role in ("user", "item"):
        place, ids = encode(events[role])
        hashed.append(id_hashes(ids, seed, role)[place])
    tie = pl.Series("tie", pair_hash(np.asarray(hashed[0]), np.asarray(hashed[1])))
    return events.with_columns(tie).sort("order", "tie"), tied
