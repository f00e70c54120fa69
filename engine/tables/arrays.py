"""Columns of tables as NumPy arrays, and back."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pyarrow as pa


def vectors(column: pl.Series) -> np.ndarray:
    """A column of arrays [d] as one array [rows, d]."""
    width = column.dtype.size  # type: ignore[attr-defined]
    flat: np.ndarray = column.explode().to_numpy()
    return flat.reshape(len(column), width)


def ragged(column: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """A column of lists as flat values [total, …] and offsets [rows + 1]."""
    lengths = column.list.len().fill_null(0).to_numpy().astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    flat = column.filter(column.list.len() > 0).explode()
    return (vectors(flat) if isinstance(flat.dtype, pl.Array) else flat.to_numpy()), offsets


def lists(value_XD: np.ndarray | pl.Series, length_U: np.ndarray) -> pl.Series:
    """The inverse of `ragged`: flat rows [total, …] as a column of lists, `length_U` rows each."""
    if not isinstance(value_XD, pl.Series):
        value_XD = pl.Series(np.ascontiguousarray(value_XD))
    flat = value_XD.to_arrow()
    offsets = pa.array(np.concatenate([[0], np.cumsum(length_U)]), pa.int64())
    return pl.Series(pl.from_arrow(pa.LargeListArray.from_arrays(offsets, flat)))


def event_columns(split: pl.DataFrame) -> dict[str, np.ndarray]:
    """The events of a split table (or of some of its parts) for `Interactions.of`.

    user, item, event i64 (the column `event`, else numbers from 1 in the order of the rows) · time i64 unix seconds,
    rating f32: only where no row lacks one · train bool: only where there is a column `part`.
    """
    found = {name: split[name].to_numpy().astype(np.int64) for name in ("user", "item")}
    numbers = split["event"].to_numpy() if "event" in split.columns else np.arange(1, split.height + 1)
    found["event"] = numbers.astype(np.int64)
    if split.height and split["time"].null_count() == 0:
        found["time"] = split["time"].dt.epoch("s").to_numpy().astype(np.int64)
    if split.height and "rating" in split.columns and split["rating"].null_count() == 0:
        found["rating"] = split["rating"].to_numpy().copy()
    if "part" in split.columns:
        found["train"] = (split["part"] == "train").to_numpy()
    return found


def case_columns(cases: pl.DataFrame) -> dict[str, np.ndarray]:
    """The rows of a cases table for `Cases.of`: user, position, target i64; candidates i64 [C, K] where there are."""
    found = {name: cases[name].to_numpy().astype(np.int64) for name in ("user", "position", "target")}
    if cases.height and cases["candidates"].null_count() < cases.height:
        lengths = cases["candidates"].list.len().fill_null(0).to_numpy()
        rivals = np.zeros((cases.height, int(lengths.max())), dtype=np.int64)
        rivals[np.arange(rivals.shape[1]) < lengths[:, None]] = cases["candidates"].explode().drop_nulls().to_numpy()
        found["candidates"] = rivals
    return found


def category_paths(items: pl.DataFrame) -> tuple[np.ndarray, Sequence[Sequence[str]]]:
    """Each category path of an items table with its item, by item; empty steps and paths are left out."""
    paths = items.select("item", pl.col("categories").alias("path")).explode("path")
    paths = paths.with_columns(pl.col("path").list.drop_nulls()).filter(pl.col("path").list.len() > 0)
    paths = paths.sort("item", maintain_order=True)
    return paths["item"].to_numpy().astype(np.int64), paths["path"].to_list()
