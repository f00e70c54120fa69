"""Sequences in order and without times: a line a user (`user item item …`) or a line an event (`user item`)."""

import logging
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field

from engine.tables.schemas import EVENTS
from stages.ingest.reading import id_lines, item_table, raw_files
from stages.ingest.reading.columns import Tally
from stages.ingest.shaping.plausible import compare_items, refuse_one_item
from stages.ingest.shaping.source_tables import ShapingSettings, SourceTables

log = logging.getLogger(__name__)


class Settings(ShapingSettings, item_table.ItemTable):
    """The file of sequences, a file of frozen candidates, and the items file."""

    file: str = Field(min_length=1, description="text file of ids with blanks or tabs between them")
    line: Literal["user", "event"] = Field(
        "user", description="what a line is: a user and all their items in order, or a user and an item"
    )
    candidates: str = Field(
        "",
        description="file of frozen candidates, a user and items a line, for `candidates: given`; '': none",
    )
    duplicate_candidates: Literal["refuse", "drop"] = Field(
        "refuse", description="an item that a line of candidates has twice: refuse the file, or drop and count it"
    )


def files(settings: Settings) -> list[Path]:
    """The sequences, the frozen candidates and the items; of a folder all its files."""
    named = [raw_files.find(path) for path in (settings.file, settings.candidates, settings.items) if path]
    return [file for path in named for file in raw_files.listed(path)]


def read(settings: Settings, seed: int) -> SourceTables:
    """Events in the order of the file, and the frozen candidate lists."""
    tally = Tally(raw_files.find(settings.file))
    events, counts = _sequences(settings, tally)
    refuse_one_item(events, settings.file)
    given = pl.DataFrame(schema={"user": pl.String, "item": pl.String})
    if settings.candidates:
        given = _candidates(settings, events, counts)
    found = item_table.read(settings, settings.bad_rows)
    known = pl.concat([events["item"], found.items["item"]]).unique().sort()
    if settings.candidates:
        what = f"items of {settings.candidates}"
        compare_items(given["item"].unique().sort(), known, what, "what was acted on or listed")
    named = pl.concat([known, given["item"]]).unique()
    types = pl.Schema({"user": _type(events["user"], given["user"]), "item": _type(named)})
    events, given = events.cast(types), given.cast(types)
    items = found.items
    if not settings.items:  # they are listed in the sequences alone
        items = named.to_frame().join(items, on="item", how="left").select(items.columns)
    return SourceTables(
        events.with_columns(rating=pl.lit(None, pl.Float32), time=pl.lit(None, EVENTS.columns["time"])),
        items.cast({"item": types["item"]}).sort("item"),
        found.catalog.cast({"item": types["item"]}).sort("item"),
        images=(frame.cast({"item": types["item"]}) for frame in found.images),
        candidates=given.group_by("user", maintain_order=True).agg(candidates="item"),
        counts=counts | found.counts,
        ordered=True,
    )


def _sequences(settings: Settings, tally: Tally) -> tuple[pl.DataFrame, dict[str, int | float]]:
    lines = id_lines.read(tally, 2 if settings.line == "event" else None)
    if settings.line == "user":
        lines = _single(lines, tally)
    return _each(lines), tally.settle(settings.bad_rows)


def _candidates(settings: Settings, events: pl.DataFrame, counts: dict[str, int | float]) -> pl.DataFrame:
    """user, item of each list; a list counts whole or not at all."""
    tally = Tally(raw_files.find(settings.candidates))
    given = _each(_single(id_lines.read(tally, None), tally))
    tally.settle(0.0)
    users = events["user"].unique().sort()
    without = users.filter(~users.is_in(given["user"].unique().implode()))
    if len(without):
        raise ValueError(f"{tally.path}: no candidates for {len(without)} users, e.g. {without[0]}; each needs a line")
    twice = given.filter(~pl.struct("user", "item").is_first_distinct())
    if twice.height and settings.duplicate_candidates == "refuse":
        raise ValueError(
            f"{tally.path}: user {twice['user'][0]} has item {twice['item'][0]} twice among the candidates; "
            "duplicate_candidates: drop leaves the second out"
        )
    counts["dropped_duplicate_candidates"] = twice.height
    strange = given.filter(~pl.col("user").is_in(users.implode()))["user"].unique().sort()
    if len(strange):
        log.warning("%s: %d lists are of users without events, e.g. %s: not used", tally.path, len(strange), strange[0])
    return given.unique(maintain_order=True)


def _single(lines: pl.DataFrame, tally: Tally) -> pl.DataFrame:
    again = ~pl.col("user").is_first_distinct()
    for line, user in lines.filter(again).select("line", "user").iter_rows():
        tally.add(line, f"a second line of user {user}", rows=0)
        tally.bad += 1
    return lines.filter(~again)


def _each(lines: pl.DataFrame) -> pl.DataFrame:
    return lines.select("user", "item").explode("item")


def _type(*ids: pl.Series) -> type[pl.DataType]:
    return pl.Int64 if all(bool(i.str.contains(id_lines.WHOLE).all()) for i in ids) else pl.String
