"""A table of items, one a row: title, text, categories, and a picture as a path or an address."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field

from engine.tables.schemas import CATALOG, ITEMS
from engine.tables.settings import Record
from stages.ingest.reading import (
    category_paths,
    delimited,
    empty_cells,
    html_text,
    name_lists,
    picture_files,
    raw_files,
    table_files,
)
from stages.ingest.reading.columns import Column, Tally
from stages.ingest.reading.shares import refuse_all, warn_many

_ADDRESS = r"(?i)^https?://[^\s/]+"


class About(Record):
    """Columns of the items file; '' where there is none."""

    item: str = Field("item", min_length=1, description="column of the item's id, as the events write it")
    title: str = Field("title", description="column of the title; '': none")
    text: str = Field("text", description="column of the text that is read for words and topics; '': none")
    picture: str = Field("picture", description="column of the picture, a path or an address (picture_kind); '': none")
    categories: str = Field("categories", description="column of the categories; '': none")


class ItemTable(Record):
    """How the items file is read."""

    items: str = Field(
        "",
        description="file of the items (.csv, .tsv, .tab, .parquet, a folder of .parquet, or .json of ids and lists of "
        "categories); '': none",
    )
    about: About = Field(default_factory=About, description="columns of the items file")
    picture_kind: Literal["path", "address"] = Field(
        "path",
        description="path: a file, seen from the items file's folder; address: of the web, for the crawl to load",
    )
    picture_outside: bool = Field(False, description="whether a path may lead out of the items file's folder")
    category_separator: str = Field("|", description="between the categories of an item; '': a cell is one category")
    step_separator: str = Field(">", description="between the steps of one category, root first; '': none has steps")
    quotes: table_files.Quotes = Field(
        "auto",
        description="double: a cell may stand in double quotes; none: quotes are letters; auto: double in .csv alone",
    )


@dataclass(frozen=True)
class ItemRows:
    """What an items file holds: frames as a source hands them over, ids as text, and what was counted."""

    items: pl.DataFrame
    catalog: pl.DataFrame
    images: Iterable[pl.DataFrame] = ()
    counts: dict[str, int | float] = field(default_factory=dict)


def read(settings: ItemTable, bad_rows: float) -> ItemRows:
    """The rows of the items file, none where there is no such file; a picture that cannot be read is marked so."""
    columns = {
        name: Column(source, {"item": "id", "categories": "categories"}.get(name, "text"), name != "item")  # type: ignore[arg-type]
        for name, source in settings.about
    }
    rows = pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    counts: dict[str, int | float] = {}
    path = raw_files.find(settings.items) if settings.items else Path()
    if settings.items:
        tally = Tally(path)
        named = {name: column for name, column in columns.items() if column.source}
        lists = path.suffix.lower() == ".json"
        read = name_lists.read(tally) if lists else table_files.read(named, tally, settings.quotes)
        found = delimited.once(read, "item", path).sort("item")
        counts["bad_items"] = tally.settle(bad_rows)["bad_rows"]
        rows, counts["words_for_nothing"] = empty_cells.emptied(
            pl.concat([rows, found], how="diagonal"), {n: c for n, c in settings.about if n != "item"}, settings.items
        )
    rows = rows.with_columns(
        title=html_text.plain(rows["title"], line=True),
        text=html_text.plain(rows["text"]),
        categories=_categories(rows["categories"], settings),
    )
    status: pl.Series | pl.Expr
    ids, kept = pl.lit(None, ITEMS.columns["ids"]), picture_files.Folder(path.parent, settings.picture_outside)
    if settings.picture_kind == "address":
        ids, status, whole = _addresses(rows, counts), pl.lit("missing"), None
    else:
        looked, whole = picture_files.look(rows, kept)
        status = pl.lit(looked)
    items = rows.select("item", "title", "categories", ids=ids)
    images = () if whole is None else picture_files.images(whole, kept)
    return ItemRows(items, _catalog(rows, status), images, counts)


def pictures(settings: ItemTable) -> dict[str, Path]:
    """The picture files that the items file names and that would be read, by the paths that name them."""
    path = raw_files.find(settings.items) if settings.items else Path()
    no_paths = settings.picture_kind == "address" or not settings.about.picture or path.suffix.lower() == ".json"
    if not settings.items or no_paths:
        return {}
    columns = {"item": Column(settings.about.item, "id"), "picture": Column(settings.about.picture, "text", True)}
    named = table_files.read(columns, Tally(path), settings.quotes)["picture"].drop_nulls().unique(maintain_order=True)
    return picture_files.Folder(path.parent, settings.picture_outside).there(named)


def _categories(cells: pl.Series, settings: ItemTable) -> pl.Series:
    try:
        return category_paths.paths(cells, settings.category_separator, settings.step_separator)
    except ValueError as error:
        raise ValueError(f"{settings.items}: column {settings.about.categories!r}: {error}") from None


def _addresses(rows: pl.DataFrame, counts: dict[str, int | float]) -> pl.Expr:
    """Ids in the service `address`, which the crawl loads; what is no address of the web is left out and counted."""
    wrong = rows["picture"].filter(~rows["picture"].str.contains(_ADDRESS))
    counts["bad_addresses"], named = len(wrong), rows["picture"].count()
    said = f"{len(wrong)} of {named} pictures are no address of the web, e.g. {wrong[:1].to_list()}"
    refuse_all(len(wrong), named, f"{said}; for files set picture_kind: path")
    warn_many(len(wrong), named, said)
    address = pl.concat_list(pl.struct(service=pl.lit("address"), id="picture"))
    return pl.when(pl.col("picture").str.contains(_ADDRESS)).then(address).cast(ITEMS.columns["ids"])


def _catalog(rows: pl.DataFrame, status: pl.Expr) -> pl.DataFrame:
    return rows.select(
        "item",
        "title",
        "text",
        status=pl.when(pl.col("text").is_null()).then(pl.lit("missing")).otherwise(pl.lit("ok")),
        picture=status,
        source=pl.lit("table"),
    ).select(CATALOG.columns.keys())
