"""Vectors on their way into a table: in 16 bits, and on request reduced to their principal components."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import torch

from engine.tables import arrays, store
from engine.tables.schema import Table


def half(value_XD: np.ndarray | torch.Tensor, where: str) -> np.ndarray:
    """Vectors in 16 bits; those of an accelerator are converted there.

    Raises:
        ValueError: they do not fit 16 bits, being too large or all next to nothing.
    """
    value = torch.as_tensor(value_XD)  # which converts on all cores
    most = float(max(value.max(), -value.min())) if value.numel() else 0.0
    if value.numel() and not 1e-4 < most < 65504:
        raise ValueError(f"{where}: vectors up to {most:.3g} do not fit 16 bits; take other weights or another layer")
    narrow: np.ndarray = value.half().cpu().numpy()
    return narrow


@contextmanager
def reduced(
    path: Path, table: Table, column: str, width: int, meta: dict[str, Any]
) -> Iterator[Callable[[pl.DataFrame], None]]:
    """As `store.groups`; with a `width`, `column` is brought to its first principal components over all rows.

    The rows go to a scratch table first, their covariance is kept on the way; `meta` gets width and kept variance.
    """
    if not width:
        with store.groups(path, table, meta) as put:
            yield put
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as scratch:
        moments = Moments()
        with store.groups(Path(scratch, "wide.parquet"), table, meta) as put_wide:

            def put(frame: pl.DataFrame) -> None:
                moments.add(_flat(frame[column]))
                put_wide(frame)

            yield put
        mean_D, basis_DW, kept = moments.components(width)
        meta |= {"width": width, "variance": round(kept, 6)}
        with store.groups(path, table, meta) as put_narrow:
            for frame in store.read_groups(Path(scratch, "wide.parquet"), table, rows=512):
                put_narrow(frame.with_columns(_projected(frame[column], mean_D, basis_DW).alias(column)))


def _flat(column: pl.Series) -> np.ndarray:
    return arrays.vectors(column) if isinstance(column.dtype, pl.Array) else arrays.ragged(column)[0]


def _projected(column: pl.Series, mean_D: np.ndarray, basis_DW: np.ndarray) -> pl.Series:
    narrow_XW = half((_flat(column).astype(np.float32) - mean_D) @ basis_DW, "principal components")
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
            ValueError: fewer dimensions or vectors than `width`.
        """
        most = min(len(self.sum_D), self.count)
        if width > most:
            raise ValueError(
                f"width {width}: there are {self.count} vectors of {len(self.sum_D)}; at most {most} will do"
            )
        mean_D = self.sum_D / self.count
        value_D, vector_DD = np.linalg.eigh(self.product_DD / self.count - np.outer(mean_D, mean_D))
        basis_DW = vector_DD[:, ::-1][:, :width]
        # a component's sign is free: its largest entry is positive, so that runs agree
        basis_DW = basis_DW * np.sign(basis_DW[np.abs(basis_DW).argmax(0), np.arange(width)])
        kept = float(value_D[::-1][:width].sum() / max(value_D.sum(), 1e-30))
        return mean_D.astype(np.float32), basis_DW.astype(np.float32), kept
