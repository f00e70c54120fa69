"""What Amazon's products must have to stay."""

import logging

import polars as pl
from pydantic import Field

from engine.tables.settings import Record
from stages.ingest.reading import raw_files
from stages.ingest.reading.records import first_fields
from stages.ingest.sources.amazon.releases import PRODUCT

_LARGE = 0.5  # a larger share of the events is not dropped without a warning

log = logging.getLogger(__name__)


class Require(Record):
    """What a product must have, or it is dropped with its events."""

    title: bool = Field(False, description="a product without a title is dropped with its events")
    picture: bool = Field(False, description="one without the address of a picture is dropped")
    text: bool = Field(False, description="one without a text is dropped")


def keep_complete(
    events: pl.DataFrame, products: pl.DataFrame, needed: list[str], release: int, file: str
) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """Products that have all that is `needed`, their events, and how many events are dropped.

    A large share is warned of: a field that another release names differently looks like a product without it.

    Raises:
        ValueError: no event is left.
    """
    kept = products.drop_nulls(needed)
    left = events.filter(pl.col("item").is_in(kept["item"].implode()))
    dropped = events.height - left.height
    if dropped > _LARGE * events.height:
        message = f"{file}: require drops {dropped} of {events.height} events: {_why(events, products, kept, needed)}"
        message += f"; its first record has {first_fields(raw_files.find(file))}, release {release} is read by "
        message += f"{sorted(PRODUCT[release])}"
        if left.is_empty():
            raise ValueError(f"{message}; no event is left: is `release` right, and is it the file of these reviews?")
        log.warning("%s", message)
    return left, kept, dropped


def _why(events: pl.DataFrame, products: pl.DataFrame, kept: pl.DataFrame, needed: list[str]) -> str:
    items = events["item"].unique().sort()
    known = products.filter(pl.col("item").is_in(items.implode()))
    lacking = items.filter(~items.is_in(kept["item"].implode()))
    parts = [f"{known.height} of {items.len()} products with events are in the file"]
    parts += [f"{known.height - known[need].null_count()} have a {need}" for need in needed]
    return f"{', '.join(parts)}, {lacking[0]!r} is dropped"
