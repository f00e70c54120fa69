"""The schema of every Parquet table, and the check that a frame fits it."""

from dataclasses import dataclass

import polars as pl

ANY = 1  # width of an array in a schema below: any width fits

Time = pl.Datetime("us", "UTC")
Vector = pl.Array(pl.Float16, ANY)


@dataclass(frozen=True)
class Table:
    """Columns in order with their types; `optional` ones may be wholly null, `sorted_by` is the order of the rows."""

    name: str
    columns: dict[str, pl.DataType | type[pl.DataType]]
    optional: frozenset[str] = frozenset()
    sorted_by: tuple[str, ...] = ()


EVENTS = Table(
    "events",
    {"user": pl.UInt32, "item": pl.UInt32, "rating": pl.Float32, "time": Time},
    frozenset({"rating", "time"}),
    ("user",),
)
USERS = Table("users", {"user": pl.UInt32, "raw": pl.String}, sorted_by=("user",))
ITEMS = Table(
    "items",
    {
        "item": pl.UInt32,
        "raw": pl.String,
        "title": pl.String,
        "categories": pl.List(pl.List(pl.String)),
        "ids": pl.List(pl.Struct({"service": pl.String, "id": pl.String})),
    },
    frozenset({"title", "categories", "ids"}),
    ("item",),
)
CATALOG = Table(
    "catalog",
    {
        "item": pl.UInt32,
        "title": pl.String,
        "text": pl.String,
        "status": pl.String,
        "picture": pl.String,
        "source": pl.String,
    },
    frozenset({"title", "text", "source"}),
    ("item",),
)
CANDIDATES = Table("candidates", {"user": pl.UInt32, "candidates": pl.List(pl.UInt32)}, sorted_by=("user",))
IMAGES = Table(
    "images",
    {
        "item": pl.UInt32,
        "image": pl.Binary,
        "format": pl.String,
        "width": pl.UInt32,
        "height": pl.UInt32,
        "sha256": pl.String,
    },
    sorted_by=("item",),
)
REGIONS = Table(
    "regions",
    {
        "item": pl.UInt32,
        "box": pl.List(pl.Array(pl.Float32, 4)),
        "score": pl.List(pl.Float32),
        "region": pl.List(Vector),
    },
    sorted_by=("item",),
)
VECTORS = Table("vectors", {"item": pl.UInt32, "vector": Vector}, sorted_by=("item",))
WORDS = Table(
    "words",
    {
        "item": pl.UInt32,
        "token": pl.List(pl.String),
        "span": pl.List(pl.Array(pl.UInt32, 2)),
        "word": pl.List(Vector),
    },
    sorted_by=("item",),
)
TOPIC_HISTORY = Table(
    "topic history",
    {"user": pl.UInt32, "window": Time, "share": pl.Array(pl.Float32, ANY)},
    sorted_by=("user", "window"),
)
TOPIC_ITEMS = Table("topic items", {"item": pl.UInt32, "share": pl.Array(pl.Float32, ANY)}, sorted_by=("item",))
TOPIC_WORDS = Table(
    "topic words",
    {"topic": pl.UInt32, "rank": pl.UInt32, "word": pl.String, "weight": pl.Float32},
    sorted_by=("topic", "rank"),
)
SPLIT = Table(
    "split",
    {"user": pl.UInt32, "position": pl.UInt32, "item": pl.UInt32, "time": Time, "part": pl.String},
    frozenset({"time"}),
    ("user", "position"),
)
CASES = Table(
    "cases",
    {
        "case": pl.UInt32,
        "part": pl.String,
        "user": pl.UInt32,
        "position": pl.UInt32,
        "target": pl.UInt32,
        "candidates": pl.List(pl.UInt32),
    },
    frozenset({"candidates"}),
    ("case",),
)
RANKS = Table(
    "ranks",
    {
        "case": pl.UInt32,
        "user": pl.UInt32,
        "position": pl.UInt32,
        "target": pl.UInt32,
        "greater": pl.UInt32,
        "ties": pl.UInt32,
        "others": pl.UInt32,
    },
    sorted_by=("case",),
)
TRUTH = Table(
    "truth",
    {
        "user": pl.UInt32,
        "position": pl.UInt32,
        "item": pl.UInt32,
        "cause": pl.String,
        "earlier": pl.List(pl.UInt32),
        "topic": pl.String,
        "words": pl.List(pl.String),
        "object": pl.String,
        "box": pl.Array(pl.Float32, 4),
    },
    frozenset({"earlier", "topic", "words", "object", "box"}),
    ("user", "position"),
)
ORACLE = Table(
    "oracle",
    {"user": pl.UInt32, "position": pl.UInt32, "greater": pl.UInt32, "ties": pl.UInt32, "others": pl.UInt32},
    sorted_by=("user", "position"),
)
REASONS = Table(
    "reasons",
    {
        "user": pl.UInt32,
        "item": pl.UInt32,
        "rank": pl.UInt32,
        "score": pl.Float32,
        "over": pl.String,
        "kind": pl.String,
        "faithful": pl.Boolean,
        "about": pl.UInt32,
        "part": pl.UInt32,
        "label": pl.String,
        "weight": pl.Float32,
    },
    frozenset({"label"}),
)


def fits(found: pl.DataType, wanted: pl.DataType | type[pl.DataType]) -> bool:
    """Whether a column of type `found` is one of type `wanted`; an array of width ANY takes every width."""
    if isinstance(wanted, pl.Array):
        return (
            isinstance(found, pl.Array) and wanted.size in (ANY, found.size) and fits(found.inner, wanted.inner)  # type: ignore[arg-type]
        )
    if isinstance(wanted, pl.List):
        return isinstance(found, pl.List) and fits(found.inner, wanted.inner)  # type: ignore[arg-type]
    return bool(found == wanted)


def check(frame: pl.DataFrame, table: Table, where: str) -> None:
    """Refuse a frame that is not a `table`: columns, types, nulls, order.

    Raises:
        ValueError: it names the place, the column, what was found and what would do.
    """
    found = frame.schema
    if list(found) != list(table.columns):
        raise ValueError(f"{where}: a {table.name} table has the columns {list(table.columns)}, found {list(found)}")
    for name, wanted in table.columns.items():
        if not fits(found[name], wanted):
            raise ValueError(f"{where}: column {name!r} of a {table.name} table is {wanted}, found {found[name]}")
        nulls = frame[name].null_count()
        if nulls and name not in table.optional:
            raise ValueError(
                f"{where}: column {name!r} of a {table.name} table has {nulls} empty of {frame.height} rows"
            )
    if table.sorted_by and frame.height > 1:
        keys = frame.select(pl.struct(table.sorted_by).alias("key")).to_series() if len(table.sorted_by) > 1 else None
        ordered = _ordered(frame, table.sorted_by) if keys is not None else frame[table.sorted_by[0]].is_sorted()
        if not ordered:
            raise ValueError(
                f"{where}: the rows of a {table.name} table are sorted by {table.sorted_by}; these are not"
            )


def _ordered(frame: pl.DataFrame, keys: tuple[str, ...]) -> bool:
    before = pl.lit(False)
    same = pl.lit(True)
    for key in keys:
        before = before | (same & (pl.col(key) < pl.col(key).shift(1)))
        same = same & (pl.col(key) == pl.col(key).shift(1))
    return not bool(frame.select(before.fill_null(False).any()).item())
