"""Amazon's reviews and products (McAuley et al.), the releases of 2014, 2018 and 2023, as the files are."""

from functools import partial
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field

from engine.tables.schemas import CATALOG
from stages.ingest.reading import delimited, raw_files
from stages.ingest.reading.columns import Column, Tally
from stages.ingest.reading.download import md5
from stages.ingest.reading.records import read_records
from stages.ingest.reading.stream import Limits
from stages.ingest.shaping.source_tables import ShapingSettings, SourceTables
from stages.ingest.sources.amazon import products, reviews
from stages.ingest.sources.amazon.required import Require, keep_complete

_RATINGS = {  # the files of ratings alone have no header in 2014 and 2018
    2014: ["user", "item", "rating", "time"],
    2018: ["item", "user", "rating", "time"],
    2023: None,
}
_IDS = pl.List(pl.Struct({"service": pl.String, "id": pl.String}))


class Settings(ShapingSettings):
    """Amazon."""

    release: Literal[2014, 2018, 2023] = Field(description="year of the release: it says which fields records have")
    reviews: str = Field(min_length=1, description="reviews (.json.gz, .jsonl …) or the .csv of ratings alone")
    metadata: str = Field("", description="products; empty: none")
    checksums: dict[Literal["reviews", "metadata"], str] = Field(
        default_factory=dict, description="md5 of either file; empty: not compared"
    )
    text: list[Literal["title", "brand", "price", "categories", "features", "description"]] = Field(
        ["title", "description"], description="fields that form a product's text, in this order"
    )
    require: Require = Field(Require(), description="what a product must have, or it is dropped with its events")
    limits: Limits = Field(description="what each file may hold")


def files(settings: Settings) -> list[Path]:
    """The reviews and the products."""
    return [raw_files.find(path) for path in (settings.reviews, settings.metadata) if path]


def read(settings: Settings, seed: int) -> SourceTables:
    """Reviews as events; products with category paths, texts, and the address of a picture as id in `address`."""
    for name, wanted in settings.checksums.items():
        if wanted and not getattr(settings, name):
            raise ValueError(f"datasets.amazon: checksums.{name} is {wanted!r}, but {name} names no file")
        path = raw_files.find(getattr(settings, name))
        if wanted and (own := md5(path)) != wanted.lower():
            raise ValueError(f"{path}: its md5 is {own}, wanted {wanted}; load it again, or mend `checksums`")
    if not settings.metadata and any(dict(settings.require).values()):
        raise ValueError("datasets.amazon: `require` needs the products' file in `metadata`")
    events, counts = _events(settings)
    only = events["item"].unique() if settings.catalogue == "used" else None
    found = _products(settings, only, counts)
    if needed := [need for need, asked in settings.require if asked]:
        release, metadata = settings.release, settings.metadata
        events, found, counts["dropped_require"] = keep_complete(events, found, needed, release, metadata)
    elif only is not None and settings.metadata and found.is_empty():
        raise ValueError(
            f"{settings.metadata}: none of the {len(only)} items of {settings.reviews} is a product of it, e.g. "
            f"{only.min()!r}: the two do not belong together, or `release` is another one"
        )
    address = pl.struct(service=pl.lit("address"), id="picture")
    ids = pl.when(pl.col("picture").is_not_null()).then(pl.concat_list(address)).cast(_IDS)
    return SourceTables(events, found.select("item", "title", "categories", ids=ids), _catalog(found), counts=counts)


def _events(settings: Settings) -> tuple[pl.DataFrame, dict[str, int | float]]:
    path = raw_files.find(settings.reviews)
    tally = Tally(path)
    if path.name.lower().endswith((".csv", ".csv.gz")):  # the latter is refused as packed
        events = _rated(settings, path, tally)
    else:
        to_table = partial(reviews.review_table, release=settings.release)
        events = pl.concat([to_table([], [], tally), *read_records(path, to_table, tally, settings.limits)])
    return events, tally.settle(settings.bad_rows)


def _rated(settings: Settings, path: Path, tally: Tally) -> pl.DataFrame:
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
    to_table = partial(products.product_table, release=settings.release, text=tuple(settings.text))
    none = to_table([], [], Tally(Path(settings.metadata)))
    if not settings.metadata:
        return none.drop("line")
    tally = Tally(raw_files.find(settings.metadata))
    parts = read_records(tally.path, to_table, tally, settings.limits)
    kept = [none, *(part if only is None else part.filter(pl.col("item").is_in(only.implode())) for part in parts)]
    found, counts["repeated_products"] = products.unique_products(pl.concat(kept), tally)
    counts["bad_products"] = tally.settle(settings.bad_rows)["bad_rows"]
    return found


def _catalog(found: pl.DataFrame) -> pl.DataFrame:
    """The texts that came; pictures are addresses yet, for the crawl stage to load."""
    there = found.filter(pl.col("text").is_not_null())
    return there.select(
        "item", "title", "text", status=pl.lit("ok"), picture=pl.lit("missing"), source=pl.lit("amazon")
    ).select(CATALOG.columns.keys())
