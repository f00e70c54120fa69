"""Codes for raw ids, and the order of events: by user, by time, and in ties by a seeded hash of who and what."""

import hashlib
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

T = TypeVar("T")

_BLOCK = 1 << 16  # rows that one thread takes at a time; the work on them stays in cache
_SPAN = 4  # a table over the whole span of integer ids is used up to so many slots a row


def parallel(work: Callable[[T], None], blocks: Iterable[T]) -> None:
    """Call `work` on every block, on all cores (NumPy lets go of the interpreter's lock)."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        list(threads.map(work, blocks))


def blockwise(rows: int, work: Callable[[slice], None]) -> None:
    """Call `work` on every block of rows."""
    parallel(work, [slice(start, min(start + _BLOCK, rows)) for start in range(0, rows, _BLOCK)])


def taken(column: npt.NDArray[Any], places: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """`column[places]`, on all cores."""
    found = np.empty(len(places), column.dtype)

    def copy(rows: slice) -> None:
        np.take(column, places[rows], out=found[rows], mode="clip")

    blockwise(len(places), copy)
    return found


def tally(codes: U32, kept: npt.NDArray[np.bool_], count: int) -> I64:
    """How many kept rows each of `count` codes has."""
    found = np.zeros(count, np.int64)
    for start in range(0, len(codes), _BLOCK):
        rows = slice(start, start + _BLOCK)
        found += np.bincount(codes[rows][kept[rows]], minlength=count)
    return found


def codes(column: pl.Series) -> tuple[U32, pl.Series]:
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


def hashes(ids: pl.Series, seed: int, role: str) -> U64:
    """A number in 64 bits for each raw id; another id, its neighbours or the order of the file do not change it."""
    key = f"{role} {seed}".encode()
    digests = (hashlib.blake2b(i.encode(), digest_size=8, key=key).digest() for i in ids.cast(pl.String))
    return np.frombuffer(b"".join(digests), "<u8")


def mix(user_hash: U64, item_hash: U64) -> U64:
    """One hash of a user's and an item's (the finish of splitmix64, https://prng.di.unimi.it/splitmix64.c)."""
    h = user_hash + item_hash
    h ^= h >> np.uint64(30)
    h *= np.uint64(0xBF58476D1CE4E5B9)
    h ^= h >> np.uint64(27)
    h *= np.uint64(0x94D049BB133111EB)
    return h ^ (h >> np.uint64(31))


@dataclass(frozen=True)
class Keys:
    """What events are sorted by, columns [rows] with codes from 0; the hashes are those of all users and all items."""

    user: U32
    item: U32
    time: I64
    rating: npt.NDArray[np.float32]
    user_hash: U64
    item_hash: U64

    def tie(self, rows: slice | I64) -> U64:
        """The hash that decides between events at the same time."""
        return mix(self.user_hash[self.user[rows]], self.item_hash[self.item[rows]])


def arrange(keys: Keys, kept: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """Places [kept rows] of the kept rows by user, time, hash of (user, item), and rating."""
    if not len(keys.user):
        return np.zeros(0, np.uint32)
    first, step, beyond = int(keys.time.min()), _step(keys.time), int(keys.user.max()) + 1
    time_bits = ((int(keys.time.max()) - first) // step).bit_length()
    spare = 64 - beyond.bit_length() - time_bits
    if spare < 1:
        place = np.lexsort((keys.rating, keys.tie(slice(None)), keys.time, keys.user))
        return place[kept[place]]
    key = np.empty(len(kept), np.uint64)

    def fill(rows: slice) -> None:
        # a dropped row goes to a user behind all others: cheaper than a pass over every column
        key[rows] = np.where(kept[rows], keys.user[rows], beyond)
        key[rows] <<= np.uint64(time_bits)
        key[rows] |= ((keys.time[rows] - first) // step).view(np.uint64)
        key[rows] <<= np.uint64(spare)
        key[rows] |= keys.tie(rows) >> np.uint64(64 - spare)

    blockwise(len(key), fill)
    blocks = _by_user(keys.user)
    counts = [int(np.count_nonzero(kept[rows])) for rows in blocks]
    place = np.empty(sum(counts), np.uint32 if len(kept) < 2**32 else np.int64)

    def sort(part: tuple[slice, int, int]) -> None:
        rows, count, start = part
        order = np.argsort(key[rows])[:count] + rows.start
        _untie(order, key, keys)
        place[start : start + count] = order

    parallel(sort, zip(blocks, counts, accumulate(counts, initial=0), strict=False))
    return place


def _step(time: I64) -> int:
    """1,000,000 where all times are whole seconds, else 1."""
    return 1_000_000 if not any((time[s : s + _BLOCK] % 1_000_000).any() for s in range(0, len(time), _BLOCK)) else 1


def _by_user(user: U32) -> list[slice]:
    """Blocks that cut no user in two: many where the rows stand by user already, else one."""
    bounds = np.arange(0, len(user), _BLOCK)
    if not all(bool((user[s + 1 : s + _BLOCK + 1] >= user[s : s + _BLOCK][: len(user) - s - 1]).all()) for s in bounds):
        return [slice(0, len(user))]
    edges = [*np.unique(np.searchsorted(user, user[bounds])).tolist(), len(user)]
    return [slice(start, stop) for start, stop in pairwise(edges)]


def _untie(order: I64, key: U64, keys: Keys) -> None:
    """Where the first bits of the hash were not enough, sort by all of them, and then by rating; in place."""
    ordered = key[order]
    same = np.append(False, ordered[1:] == ordered[:-1])
    again = np.flatnonzero(same | np.append(same[1:], False))
    if len(again):
        among = order[again]
        order[again] = among[np.lexsort((keys.rating[among], keys.tie(among), key[among]))]
