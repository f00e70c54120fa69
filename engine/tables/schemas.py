"""The schema of every Parquet table."""

import polars as pl

from engine.tables.schema import ANY, Table, Time, Vector

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
TOPIC_SNAPSHOTS = Table(
    "topic snapshots",
    {"documents": pl.UInt32, "window": Time, "topic": pl.UInt32, "share": pl.Float32, "words": pl.List(pl.String)},
    frozenset({"window"}),
    ("documents", "topic"),
)
SPLIT = Table(
    "split",
    {
        "user": pl.UInt32,
        "position": pl.UInt32,
        "item": pl.UInt32,
        "time": Time,
        "part": pl.String,
        "rating": pl.Float32,
    },
    frozenset({"time", "rating"}),
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
ERRORS = Table(
    "errors",
    {
        "user": pl.UInt32,
        "position": pl.UInt32,
        "item": pl.UInt32,
        "squared": pl.Float64,
        "absolute": pl.Float64,
        "cold": pl.Boolean,
    },
    sorted_by=("user", "position"),
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
        "reading": pl.String,
        "over": pl.String,
        "kind": pl.String,
        "faithful": pl.Boolean,
        "about": pl.UInt32,
        "position": pl.UInt32,
        "part": pl.UInt32,
        "label": pl.String,
        "weight": pl.Float32,
    },
    frozenset({"label", "position"}),
)
RECOMMENDATIONS = Table(
    "recommendations",
    {
        "user": pl.String,
        "rank": pl.UInt32,
        "item": pl.String,
        "title": pl.String,
        "score": pl.Float32,
        "because": pl.String,
    },
    frozenset({"title", "because"}),
)
