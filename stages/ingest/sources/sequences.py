"""Sequences in order and without times: a line a user (`user item item …`) or a line an event (`user item`)."""

from pathlib import Path
from typing import Literal

import polars as pl

from engine.tables.schemas import CATALOG, EVENTS, ITEMS
from stages.ingest.reading import raw_files
from stages.ingest.reading.columns import Tally
from stages.ingest.shaping.source_tables import ShapingSettings, SourceTables, empty

_WHOLE = r"^(0|[1-9]\d{0,17})$"  # ids that are plain numbers are sorted as numbers


class Settings(ShapingSettings):
    """The file, what a line of it is, and a file of frozen candidates, a line a user (`candidates: ''`: none)."""

    file: str
    line: Literal["user", "event"]
    candidates: str


def files(settings: Settings) -> list[Path]:
    """The sequences and the frozen candidates."""
    return [raw_files.find(path) for path in (settings.file, settings.candidates) if path]


def read(settings: Settings, seed: int) -> SourceTables:
    """Events in the order of the file, and the frozen candidate lists."""
    tally = Tally(raw_files.find(settings.file))
    lines = _lines(tally, 2 if settings.line == "event" else None)
    if settings.line == "user":
        lines = _single(lines, tally)
    events = _each(lines)
    counts = tally.settle(settings.bad_rows)
    given = pl.DataFrame(schema={"user": pl.String, "item": pl.String})
    if settings.candidates:
        frozen = Tally(raw_files.find(settings.candidates))
        given = _each(_single(_lines(frozen, None), frozen))
        frozen.settle(0.0)  # a frozen list counts whole or not at all
        _covers(events, given, frozen.path)
    users, items = _type(events["user"], given["user"]), _type(events["item"], given["item"])
    events, given = (frame.cast({"user": users, "item": items}) for frame in (events, given))
    named = pl.concat([events["item"], given["item"]]).unique().sort()
    return SourceTables(
        events.select(
            "user", "item", pl.lit(None, pl.Float32).alias("rating"), pl.lit(None, EVENTS.columns["time"]).alias("time")
        ),
        empty(ITEMS)
        .drop("raw")
        .cast({"item": items})
        .join(named.to_frame(), on="item", how="right")
        .select("item", "title", "categories", "ids"),
        empty(CATALOG).cast({"item": items}),
        candidates=given.group_by("user", maintain_order=True).agg(candidates="item"),
        counts=counts,
        ordered=True,
    )


def _lines(tally: Tally, cells: int | None) -> pl.DataFrame:
    """line, user, items of each good line; another number of cells than asked for is bad, empty lines are none."""
    if not tally.path.is_file():
        raise FileNotFoundError(f"{tally.path}: no such file")
    text = tally.path.read_bytes().decode("utf-8-sig", errors="replace").split("\n")
    found = pl.DataFrame({"text": text}).with_row_index("line", offset=1)
    found = found.with_columns(cell=pl.col("text").str.extract_all(r"\S+")).filter(pl.col("cell").list.len() > 0)
    count = pl.col("cell").list.len()
    wanted = pl.lit("a user and items") if cells is None else pl.lit("a user and an item")
    unlike = (count < 2) if cells is None else (count != cells)
    found = found.with_columns(
        why=pl.when(pl.col("text").str.contains("\ufffd", literal=True))
        .then(pl.lit("not UTF-8 text; save the file as UTF-8"))
        .when(unlike)
        .then(pl.format("{} cells, expected {}", count, wanted))
    )
    for line, why in found.filter(pl.col("why").is_not_null()).select("line", "why").iter_rows():
        tally.add(line, why)
    good = found.filter(pl.col("why").is_null())
    tally.rows += good.height
    return good.select("line", user=pl.col("cell").list.first(), item=pl.col("cell").list.slice(1))


def _single(lines: pl.DataFrame, tally: Tally) -> pl.DataFrame:
    again = ~pl.col("user").is_first_distinct()
    for line, user in lines.filter(again).select("line", "user").iter_rows():
        tally.add(line, f"a second line of user {user}", rows=0)
        tally.bad += 1
    return lines.filter(~again)


def _each(lines: pl.DataFrame) -> pl.DataFrame:
    return lines.select("user", "item").explode("item")


def _covers(events: pl.DataFrame, given: pl.DataFrame, path: Path) -> None:
    without = (
        events["user"].unique().sort().filter(~events["user"].unique().sort().is_in(given["user"].unique().implode()))
    )
    if len(without):
        raise ValueError(f"{path}: no candidates for {len(without)} users, e.g. {without[0]}; each needs a line")
    twice = given.filter(pl.struct("user", "item").is_duplicated())
    if twice.height:
        raise ValueError(f"{path}: user {twice['user'][0]} has item {twice['item'][0]} twice among the candidates")


def _type(*ids: pl.Series) -> type[pl.DataType]:
    return pl.Int64 if all(bool(i.str.contains(_WHOLE).all()) for i in ids) else pl.String
