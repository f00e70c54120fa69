"""Pictures that came as files beside the items: looked at once, and read again shard by shard when they are written."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
from rich.progress import track

from engine.features.pictures.pictures import inspect
from engine.tables.schemas import CATALOG, IMAGES

_SHARD = 64_000_000  # bytes of pictures a frame
_KNOWN = ("format", "width", "height", "sha256")


def looked_at(items: pl.DataFrame, folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The given catalog, and the pictures that are whole: item, path and what is known of each."""
    status, known = [], []
    named = items.select("item", "picture").iter_rows()
    for item, path in track(named, "pictures", items.height, disable=not items["picture"].count()):
        if path is None:
            status.append("missing")
            continue
        try:
            found = inspect((folder / path).read_bytes())
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            status.append(f"failed: {why}")
            continue
        status.append("ok")
        known.append((item, path, found.format, found.width, found.height, found.sha256))
    catalog = items.select(
        "item",
        "title",
        "text",
        status=pl.when(pl.col("text").is_null()).then(pl.lit("missing")).otherwise(pl.lit("ok")),
        picture=pl.Series(status, dtype=pl.String),
        source=pl.lit("table"),
    ).select(CATALOG.columns.keys())
    schema: dict[str, Any] = {"item": pl.String, "path": pl.String, **{n: IMAGES.columns[n] for n in _KNOWN}}
    return catalog, pl.DataFrame(known, schema=schema, orient="row")


def images(pictures: pl.DataFrame, folder: Path) -> Iterator[pl.DataFrame]:
    data: list[bytes] = []
    start = 0
    for row, path in enumerate(pictures["path"]):
        data.append((folder / path).read_bytes())
        if sum(map(len, data)) >= _SHARD or row == pictures.height - 1:
            part = pictures.slice(start, len(data)).with_columns(image=pl.Series(data, dtype=pl.Binary))
            yield part.select(IMAGES.columns.keys())
            data, start = [], row + 1
