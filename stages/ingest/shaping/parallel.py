"""Work on columns of many rows, block by block so that it stays in cache, on all cores."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

T = TypeVar("T")

BLOCK = 1 << 16  # rows that one thread takes at a time; the work on them stays in cache


def on_all_cores(work: Callable[[T], None], blocks: Iterable[T]) -> None:
    """Call `work` on every block, on all cores (NumPy lets go of the interpreter's lock)."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        list(threads.map(work, blocks))


def blockwise(rows: int, work: Callable[[slice], None]) -> None:
    """Call `work` on every block of rows."""
    on_all_cores(work, [slice(start, min(start + BLOCK, rows)) for start in range(0, rows, BLOCK)])


def gather(column: npt.NDArray[Any], places: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """`column[places]`, on all cores."""
    found = np.empty(len(places), column.dtype)

    def copy(rows: slice) -> None:
        np.take(column, places[rows], out=found[rows], mode="clip")

    blockwise(len(places), copy)
    return found


def count_codes(codes: U32, kept: npt.NDArray[np.bool_], count: int) -> I64:
    """How many kept rows each of `count` codes has."""
    found = np.zeros(count, np.int64)
    step = max(BLOCK, 4 * count)
    for start in range(0, len(codes), step):
        rows = slice(start, start + step)
        found += np.bincount(codes[rows][kept[rows]], minlength=count)
    return found


def codes_present(codes: U32, count: int) -> npt.NDArray[np.bool_]:
    """Which of `count` codes there are."""
    found = np.zeros(count, bool)

    def mark(rows: slice) -> None:
        found[codes[rows]] = True

    blockwise(len(codes), mark)
    return found
