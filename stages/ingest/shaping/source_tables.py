"""What a source hands over, before and after it has its codes."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl

from engine.tables.schema import Table
from engine.tables.schemas import CANDIDATES, ORACLE, TRUTH, USERS
from engine.tables.settings import Record


def empty(table: Table) -> pl.DataFrame:
    """A `table` without rows."""
    return pl.DataFrame(schema=dict(table.columns))


class ShapingSettings(Record):
    """The settings of what is done alike to every source that is not `coded`; a source's Settings extend them.

    An event rated below `minimum_rating` is dropped. `duplicates` of a (user, item): all are kept, or rows equal in
    every column become one, or the first or last in time stays. Users below `minimum_history` events and items below
    `minimum_item` go, items first; `once`, or again until all who are left have theirs (`core`). `catalogue`: every
    item that the source names can be recommended, or only those with events left. `bad_rows` is the share of unreadable
    rows of a file that is counted and left out; more is an error. `crawl` belongs to the crawl stage.
    """

    minimum_history: int
    minimum_item: int
    minimum_rule: Literal["once", "core"]
    minimum_rating: float
    duplicates: Literal["keep", "exact", "first", "last"]
    catalogue: Literal["all", "used"]
    bad_rows: float
    crawl: dict[str, Any]


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
