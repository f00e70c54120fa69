"""Your own tables (CSV, TSV, Parquet): events of user, item, time, rating; items with what they are and look like."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import polars as pl

from engine.tables.settings import Record
from stages.ingest.reading import delimited, picture_files, raw_files
from stages.ingest.reading.columns import Column, Tally, judged
from stages.ingest.shaping.source_tables import ShapingSettings, SourceTables

_SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
_PATH, _STEP = "\x1e", "\x1f"


class About(Record):
    """Columns of the items file; '' where there is none. Pictures are paths, seen from the items file's folder."""

    item: str
    title: str
    text: str
    picture: str
    categories: str


class Settings(ShapingSettings):
    """The events file and its columns (`rating: ''` where there is none); `items: ''` where there is no such file.

    `time_form`: unix seconds or milliseconds, or ISO 8601 (UTC where no zone stands). In the categories,
    `category_separator` stands between paths and `step_separator` between the steps of one, root first.
    """

    events: str
    user: str
    item: str
    time: str
    time_form: Literal["seconds", "milliseconds", "iso"]
    rating: str
    items: str
    about: About
    category_separator: str
    step_separator: str


def files(settings: Settings) -> list[Path]:
    """The events and the items; of a folder all its files."""
    named = [raw_files.find(path) for path in (settings.events, settings.items) if path]
    return [file for path in named for file in raw_files.listed(path)]


def read(settings: Settings, seed: int) -> SourceTables:
    """Events and items as they stand in the files; a picture that cannot be read is marked and left out."""
    events, counts = _events(settings)
    columns = {
        name: Column(source, "id" if name == "item" else "text", name != "item") for name, source in settings.about
    }
    items = pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    folder = Path(settings.items)
    if settings.items:
        tally = Tally(raw_files.find(settings.items))
        folder = tally.path.parent
        named = {name: column for name, column in columns.items() if column.source}
        found = delimited.once(_read(tally, named), "item", tally.path).sort("item")
        counts["bad_items"] = tally.settle(settings.bad_rows)["bad_rows"]
        items = pl.concat([items, found], how="diagonal")
    catalog, whole = picture_files.looked_at(items, folder)
    paths = _paths(settings.category_separator, settings.step_separator)
    return SourceTables(
        events,
        items.select(
            "item",
            "title",
            categories=paths,
            ids=pl.lit(None, pl.List(pl.Struct({"service": pl.String, "id": pl.String}))),
        ),
        catalog,
        images=picture_files.images(whole, folder),
        counts=counts,
    )


def _events(settings: Settings) -> tuple[pl.DataFrame, dict[str, int | float]]:
    tally = Tally(raw_files.find(settings.events))
    columns = {"user": Column(settings.user, "id"), "item": Column(settings.item, "id")}
    columns["time"] = Column(settings.time, settings.time_form)
    if settings.rating:
        columns["rating"] = Column(settings.rating, "rating", optional=True)
    events = _read(tally, columns)
    counts = tally.settle(settings.bad_rows)
    if settings.time_form == "milliseconds" and events["time"].max() < datetime(1973, 1, 1, tzinfo=UTC):  # type: ignore[operator]
        raise ValueError(f"{tally.path}: as milliseconds all times lie before 1973; should time_form be seconds?")
    if not settings.rating:
        events = events.with_columns(rating=pl.lit(None, pl.Float32))
    return events.select("user", "item", "rating", "time"), counts


def _read(tally: Tally, columns: dict[str, Column]) -> pl.DataFrame:
    ending = tally.path.suffix.lower()
    if not tally.path.is_file():
        raise FileNotFoundError(f"{tally.path}: no such file")
    if ending in _SEPARATORS:
        return delimited.read(tally.path, columns, tally, _SEPARATORS[ending])
    if ending != ".parquet":
        raise ValueError(f"{tally.path}: the ending says how to read it; known are {[*_SEPARATORS, '.parquet']}")
    tally.unit = "row"
    try:
        schema = pl.read_parquet_schema(tally.path)
        delimited.require(tally.path, list(schema), columns)
        cells = pl.read_parquet(tally.path, columns=list({c.source for c in columns.values()}))
    except pl.exceptions.ComputeError as error:
        raise ValueError(f"{tally.path}: no whole Parquet file ({error})") from None
    for column in columns.values():
        kind = schema[column.source]
        if column.kind == "id" and not (kind.is_integer() or kind in (pl.String, pl.Categorical, pl.Enum)):
            raise ValueError(f"{tally.path}: column {column.source!r} holds {kind}; ids are whole numbers or text")
        if isinstance(kind, pl.List):
            cells = cells.with_columns(_joined(column.source, kind))
    return judged(cells, pl.Series(range(1, cells.height + 1), dtype=pl.Int64), columns, tally)


def _joined(name: str, kind: pl.List) -> pl.Expr:
    """Categories that are lists already, as text whose separators no name holds; it begins with one, to be known by."""
    steps = pl.element().list.join(_STEP) if isinstance(kind.inner, pl.List) else pl.element()
    return (_PATH + pl.col(name).list.eval(steps.cast(pl.String)).list.join(_PATH)).alias(name)


def _paths(path: str, step: str) -> pl.Expr:
    text = pl.col("categories")
    plain = text.str.replace_all(path, _PATH, literal=True).str.replace_all(step, _STEP, literal=True)
    plain = pl.when(text.str.starts_with(_PATH)).then(text).otherwise(plain)
    steps = pl.element().str.split(_STEP).list.eval(pl.element().str.strip_chars())
    return plain.str.split(_PATH).list.eval(pl.element().filter(pl.element().str.strip_chars() != "")).list.eval(steps)
