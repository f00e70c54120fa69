"""Amazon's reviews and products (McAuley et al.), the releases of 2014, 2018 and 2023, as the files are."""

from functools import partial
from pathlib import Path
from typing import Literal

import polars as pl

from engine.tables.schemas import CATALOG
from engine.tables.settings import Record
from stages.ingest.reading import delimited, records
from stages.ingest.reading.columns import Column, Tally
from stages.ingest.reading.download import md5
from stages.ingest.reading.stream import Limits
from stages.ingest.shaping.source_tables import ShapingSettings, SourceTables
from stages.ingest.sources.amazon import products, reviews

_RATINGS = {  # the files of ratings alone have no header in 2014 and 2018
    2014: ["user", "item", "rating", "time"],
    2018: ["item", "user", "rating", "time"],
    2023: None,
}
_IDS = pl.List(pl.Struct({"service": pl.String, "id": pl.String}))


class Require(Record):
    """What a product must have, or it goes with its events: a title, a picture's address, a text."""

    title: bool
    picture: bool
    text: bool


class Settings(ShapingSettings):
    """`reviews`: `.json.gz`, `.jsonl`… or the `.csv` of ratings alone; `metadata: ''` where there is none.

    `text` names the fields that form a product's text, in their order. `checksums` (md5 by `reviews` and `metadata`)
    are compared where they are not ''. `limits` hold for each file.
    """

    release: Literal[2014, 2018, 2023]
    reviews: str
    metadata: str
    checksums: dict[Literal["reviews", "metadata"], str]
    text: list[Literal["title", "brand", "price", "categories", "features", "description"]]
    require: Require
    limits: Limits


def read(settings: Settings, seed: int) -> SourceTables:
    """Reviews as events; products with category paths, texts, and the address of a picture as id in `address`."""
    for name, wanted in settings.checksums.items():
        path = Path(getattr(settings, name))
        if wanted and (own := md5(path)) != wanted.lower():
            raise ValueError(f"{path}: its md5 is {own}, wanted {wanted}; load it again, or mend `checksums`")
    if not settings.metadata and any(dict(settings.require).values()):
        raise ValueError("datasets.amazon: `require` needs the products' file in `metadata`")
    events, counts = _events(settings)
    only = events["item"].unique() if settings.catalogue == "used" else None
    found = _products(settings, only, counts)
    needed = [need for need, asked in settings.require if asked]
    if needed:
        found = found.drop_nulls(needed)
        before = events.height
        events = events.filter(pl.col("item").is_in(found["item"].implode()))
        counts["dropped_require"] = before - events.height
    address = pl.struct(service=pl.lit("address"), id="picture")
    ids = pl.when(pl.col("picture").is_not_null()).then(pl.concat_list(address)).cast(_IDS)
    return SourceTables(events, found.select("item", "title", "categories", ids=ids), _catalog(found), counts=counts)


def _events(settings: Settings) -> tuple[pl.DataFrame, dict[str, int | float]]:
    path = Path(settings.reviews)
    tally = Tally(path)
    if path.suffix == ".csv":
        events = _rated(settings, path, tally)
    else:
        shape = partial(reviews.shaped, release=settings.release)
        parts = records.read(path, shape, reviews.fields(settings.release), tally, settings.limits)
        events = pl.concat([reviews.shaped([], [], tally, settings.release), *parts])
    return events, tally.settle(settings.bad_rows)


def _rated(settings: Settings, path: Path, tally: Tally) -> pl.DataFrame:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    header = _RATINGS[settings.release]
    user, item, time = ("user", "item", "time") if header else ("user_id", "parent_asin", "timestamp")
    columns = {
        "user": Column(user, "id"),
        "item": Column(item, "id"),
        "rating": Column("rating", "rating"),
        "time": Column(time, "seconds" if header else "milliseconds"),
    }
    return delimited.read(path, columns, tally, ",", header)


def _products(settings: Settings, only: pl.Series | None, counts: dict[str, int | float]) -> pl.DataFrame:
    """The products, each once, all or `only` these; without a file there are none."""
    shape = partial(products.shaped, release=settings.release, text=tuple(settings.text))
    none = shape([], [], Tally(Path(settings.metadata)))
    if not settings.metadata:
        return none.drop("line")
    tally = Tally(Path(settings.metadata))
    typed = products.typed(settings.release, tuple(settings.text))
    parts = records.read(tally.path, shape, products.fields(settings.release), tally, settings.limits, typed)
    kept = [none, *(part if only is None else part.filter(pl.col("item").is_in(only.implode())) for part in parts)]
    found, counts["repeated_products"] = products.once(pl.concat(kept), tally)
    counts["bad_products"] = tally.settle(settings.bad_rows)["bad_rows"]
    return found


def _catalog(found: pl.DataFrame) -> pl.DataFrame:
    """The texts that came; pictures are addresses yet, for the crawl stage to load."""
    there = found.filter(pl.col("text").is_not_null())
    return there.select(
        "item", "title", "text", status=pl.lit("ok"), picture=pl.lit("missing"), source=pl.lit("amazon")
    ).select(CATALOG.columns.keys())
