"""Vectors on their way into a table, on request reduced to their principal components."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from engine.features.device import to_half
from engine.tables import arrays, store
from engine.tables.files import scratch_folder
from engine.tables.schema import Table


@contextmanager
def reduced_groups(
    path: Path, table: Table, column: str, width: int, meta: dict[str, Any]
) -> Iterator[Callable[[pl.DataFrame], None]]:
    """As `store.groups`; with a `width`, `column` is brought to its first principal components over all rows.

    The rows go to a scratch table first, their covariance is kept on the way; `meta` gets width and kept variance.
    Without any vector the table is empty.
    """
    if not width:
        with store.groups(path, table, meta) as put:
            yield put
        return
    with scratch_folder(path) as scratch:
        moments = Moments()
        with store.groups(scratch / "wide.parquet", table, meta) as put_wide:

            def put(frame: pl.DataFrame) -> None:
                moments.add(_flat(frame[column]))
                put_wide(frame)

            yield put
        if not moments.count:
            store.write(pl.DataFrame(schema=dict(table.columns)), path, table, meta)
            return
        mean_D, basis_DW, kept = moments.components(width)
        meta |= {"width": width, "variance": round(kept, 6)}
        with store.groups(path, table, meta) as put_narrow:
            for frame in store.read_groups(scratch / "wide.parquet", table, rows=512):
                put_narrow(frame.with_columns(_projected(frame[column], mean_D, basis_DW).alias(column)))


def refuse_not_finite(frame: pl.DataFrame, column: str, path: Path) -> None:
    """Every number of a column of vectors must be finite.

    Raises:
        ValueError: names the table, the item and the value.
    """
    flat_XD = _flat(frame[column]) if frame.height else np.zeros((0, 1))
    bad_X = np.flatnonzero(~np.isfinite(flat_XD).all(1))
    if len(bad_X):
        lengths = 1 if isinstance(frame[column].dtype, pl.Array) else frame[column].list.len().to_numpy()
        item_X, vector_D = np.repeat(frame["item"].to_numpy(), lengths), flat_XD[bad_X[0]]
        items = len(np.unique(item_X[bad_X]))
        raise ValueError(
            f"{path}: item {item_X[bad_X[0]]}: its {column} holds {vector_D[~np.isfinite(vector_D)][0]}, as those of "
            f"{items} of {frame.height} items here do: take other weights, another layer, or precision fp32"
        )


def _flat(column: pl.Series) -> np.ndarray:
    return arrays.vectors(column) if isinstance(column.dtype, pl.Array) else arrays.ragged(column)[0]


def _projected(column: pl.Series, mean_D: np.ndarray, basis_DW: np.ndarray) -> pl.Series:
    narrow_XW = to_half((_flat(column).astype(np.float32) - mean_D) @ basis_DW, "principal components")
    if isinstance(column.dtype, pl.Array):
        return pl.Series(narrow_XW)
    return arrays.lists(narrow_XW, column.list.len().to_numpy())


class Moments:
    """Sums of vectors and of their products as they stream by."""

    def __init__(self) -> None:
        self.count = 0
        self.sum_D: np.ndarray = np.zeros(0)
        self.product_DD: np.ndarray = np.zeros((0, 0))

    def add(self, value_XD: np.ndarray) -> None:
        """Take vectors in."""
        if not self.count:
            self.sum_D, self.product_DD = np.zeros(value_XD.shape[1]), np.zeros((value_XD.shape[1],) * 2)
        double_XD = value_XD.astype(np.float64)
        self.count += len(value_XD)
        self.sum_D += double_XD.sum(0)
        self.product_DD += double_XD.T @ double_XD

    def components(self, width: int) -> tuple[np.ndarray, np.ndarray, float]:
        """Mean [D], the first principal components [D, width] and the share of the variance that they keep.

        Raises:
            ValueError: fewer dimensions or vectors than `width`, or vectors that are all the same.
        """
        most = min(len(self.sum_D), self.count)
        if width > most:
            raise ValueError(
                f"width {width}: there are {self.count} vectors of {len(self.sum_D)}; at most {most} will do"
            )
        mean_D = self.sum_D / self.count
        square_DD = self.product_DD / self.count
        value_D, vector_DD = np.linalg.eigh(square_DD - np.outer(mean_D, mean_D))
        if value_D.sum() <= 1e-12 * np.trace(square_DD):  # what is left of numbers that cancel out
            raise ValueError(
                f"width {width}: all {self.count} vectors are the same, so that they have no principal components; "
                "width 0 keeps them as they are"
            )
        basis_DW = vector_DD[:, ::-1][:, :width]
        # a component's sign is free: its largest entry is positive, so that runs agree
        basis_DW = basis_DW * np.sign(basis_DW[np.abs(basis_DW).argmax(0), np.arange(width)])
        kept = float(value_D[::-1][:width].sum() / max(value_D.sum(), 1e-30))
        return mean_D.astype(np.float32), basis_DW.astype(np.float32), kept
