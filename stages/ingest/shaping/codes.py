"""Dense codes for raw ids."""

import numpy as np
import polars as pl

from stages.ingest.shaping.parallel import U32, blockwise

_SPAN = 4  # a table over the whole span of integer ids is used up to so many slots a row


def encode(column: pl.Series) -> tuple[U32, pl.Series]:
    """Each value's place among the sorted distinct values, from 0, and these values."""
    if column.dtype.is_integer() and len(column):
        low, high = int(column.min()), int(column.max())  # type: ignore[arg-type]
        if high - low < _SPAN * len(column) + 1_000_000:
            return _codes_by_table(column, low, high)
    ids = column.unique().sort()
    if column.dtype == pl.String:
        return column.cast(pl.Enum(ids)).to_physical().cast(pl.UInt32).to_numpy(), ids
    return ids.search_sorted(column).cast(pl.UInt32).to_numpy(), ids


def _codes_by_table(column: pl.Series, low: int, high: int) -> tuple[U32, pl.Series]:
    value = column.to_numpy()
    there = np.zeros(high - low + 1, bool)

    def mark(rows: slice) -> None:
        there[np.subtract(value[rows], low, dtype=np.int64)] = True

    blockwise(len(value), mark)
    table = np.cumsum(there, dtype=np.uint32) - np.uint32(1)
    found = np.empty(len(value), np.uint32)

    def look(rows: slice) -> None:
        np.take(table, np.subtract(value[rows], low, dtype=np.int64), out=found[rows], mode="clip")

    blockwise(len(value), look)
    return found, pl.Series(column.name, np.flatnonzero(there) + low, dtype=column.dtype)
