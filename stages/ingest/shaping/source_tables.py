"""What a source hands over, before and after it has its codes."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl
from pydantic import Field

from engine.tables.domain_words import DomainWords
from engine.tables.schema import Table
from engine.tables.schemas import CANDIDATES, ORACLE, TRUTH, USERS
from engine.tables.settings import Record


def empty(table: Table) -> pl.DataFrame:
    """A `table` without rows."""
    return pl.DataFrame(schema=dict(table.columns))


class ShapingSettings(Record):
    """What is done alike to every source whose tables are not `coded` already; a source's Settings extend them."""

    minimum_history: int = Field(5, ge=0, description="users with fewer events are dropped")
    minimum_item: int = Field(0, ge=0, description="items with fewer events are dropped, before users are counted")
    minimum_rule: Literal["once", "core"] = Field(
        "once", description="the two minima are applied once, or again until all that is left has them"
    )
    minimum_rating: float = Field(0, allow_inf_nan=False, description="events rated lower are dropped; 0: none is")
    duplicates: Literal["keep", "exact", "first", "last"] = Field(
        "exact",
        description="events of one user and item: keep all, one of those equal in every column, the first or last",
    )
    ties: Literal["hash", "file"] = Field(
        "hash",
        description="a user's events at the same time: in the order of a seeded hash, or in that of the file, as "
        "published splits have them (a file sorted by item then gives the order away)",
    )
    catalogue: Literal["all", "used"] = Field(
        "all", description="what can be recommended: every item that the source names, or those with events left"
    )
    bad_rows: float = Field(
        0, ge=0, le=1, description="share of a file's rows that may be unreadable: left out and counted"
    )
    words: DomainWords = Field(DomainWords(), description="what things are called where people read of them")
    crawl: dict[str, Any] = Field(default_factory=dict, description="what the crawl stage fetches; not read here")


@dataclass(frozen=True)
class SourceTables:
    """One source, read.

    `coded=True` (a made world): events, users, items, catalog, truth, oracle, candidates and images are the final
    tables of engine.tables.schemas, codes and order and all; nothing is dropped or moved: (user, position) keep their
    meaning.

    Else `user` and `item` hold the source's own ids, of one type (any integer or String) in all frames:
    events: user, item, rating f32?, time?; `ordered=True` says that each user's rows stand in the order in which they
    happened (no times to go by).
    items: item, title, categories, ids as in ITEMS. It may lack items that have events.
    catalog: item and the other columns of CATALOG, for the items that came with a text or a picture.
    candidates: user, candidates. images: frames as IMAGES, by rising item, their bytes read only when asked for.
    truth and oracle exist for a coded source only.
    """

    events: pl.DataFrame
    items: pl.DataFrame
    catalog: pl.DataFrame
    users: pl.DataFrame = field(default_factory=lambda: empty(USERS))
    images: Iterable[pl.DataFrame] = ()
    candidates: pl.DataFrame = field(default_factory=lambda: empty(CANDIDATES))
    truth: pl.DataFrame = field(default_factory=lambda: empty(TRUTH))
    oracle: pl.DataFrame = field(default_factory=lambda: empty(ORACLE))
    counts: dict[str, int | float] = field(default_factory=dict)
    coded: bool = False
    ordered: bool = False
