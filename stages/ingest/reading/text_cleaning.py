"""Texts as the web wrote them, cleaned: entities read, edges stripped; one, or a column at a time."""

import html
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa


def clean(text: str) -> str:
    """One text."""
    return (html.unescape(text) if "&" in text and ";" in text else text).strip()


def joined(found: Any) -> str:
    """One text, or those of a list in a row."""
    if isinstance(found, str):
        return clean(found)
    parts = found or []
    return " ".join(text for part in parts if isinstance(part, str) and (text := clean(part)))


@lru_cache(1 << 14)
def path(names: tuple[str, ...]) -> list[str]:
    """One path of categories, its names cleaned; they are the same for many products.

    Raises:
        TypeError: a name is no text.
    """
    if any(type(name) is not str for name in names):
        raise TypeError(names)
    return [cleaned for name in names if (cleaned := clean(name))]


def column(text: pl.Series) -> pl.Series:
    """Each text of a column; null where nothing is left."""
    coded = (text.str.contains("&", literal=True) & text.str.contains(";", literal=True)).fill_null(False)
    if coded.any():
        read = pl.Series(["", *map(html.unescape, text.filter(coded))], dtype=pl.String)
        text = text.zip_with(~coded, read.gather(coded.cum_sum()))
    stripped = text.str.strip_chars().alias("text")
    return stripped.to_frame().select(pl.when(pl.col("text") != "").then(pl.col("text"))).to_series()


def paths(found: pl.Series) -> pl.Series | None:
    """Each product's paths; null where none is left. None where a path or a name is null."""
    each = found.drop_nulls().explode(empty_as_null=False)
    name = each.drop_nulls().explode(empty_as_null=False)
    if each.null_count() or name.null_count():
        return None
    read = column(name)
    if not read.eq_missing(name).all():
        each = _lists(read, each.list.len()).list.drop_nulls()
        found = _lists(each, found.list.len().fill_null(0)).alias(found.name)
    if (each.list.len() == 0).any():
        found = found.list.eval(pl.element().filter(pl.element().list.len() > 0))
    many = found.list.len().alias("many")
    return pl.DataFrame([found, many]).select(pl.when(pl.col("many") > 0).then(pl.col(found.name))).to_series()


def _lists(flat: pl.Series, length: pl.Series) -> pl.Series:
    """The rows of `flat` as lists, `length` rows each."""
    offsets = pa.array(np.concatenate([[0], length.cum_sum().to_numpy()]), pa.int64())
    return pl.Series(pl.from_arrow(pa.LargeListArray.from_arrays(offsets, flat.to_arrow())))
