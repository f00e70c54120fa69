"""Codes for raw ids, and the order of events: by user, by time, and in ties by a seeded hash of who and what."""

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import polars as pl

U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

_BLOCK = 1 << 20  # rows that one thread takes at a time; the work on them stays in cache
_SPAN = 4  # a table over the whole span of integer ids is used up to so many slots a row


def blockwise(rows: int, work: Callable[[slice], None]) -> None:
    """Call `work` on every block of rows, on all cores (NumPy lets go of the interpreter's lock)."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        list(threads.map(work, [slice(start, start + _BLOCK) for start in range(0, rows, _BLOCK)]))


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
    found = np.empty(len(value), np.uint32)

    def mark(rows: slice) -> None:
        there[value[rows].astype(np.int64) - low] = True

    blockwise(len(value), mark)
    table = np.cumsum(there, dtype=np.uint32) - np.uint32(1)

    def look(rows: slice) -> None:
        found[rows] = table[value[rows].astype(np.int64) - low]

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


def arrange(user: U32, item: U32, time: I64, rating: npt.NDArray[np.float32], hashed: tuple[U64, U64]) -> I64:
    """The rows by user, time, hash of (user, item) and rating: places [rows]; hashed = those of all users and items."""
    if not len(user):
        return np.zeros(0, np.int64)
    first, step = int(time.min()), 1_000_000 if not (time % 1_000_000).any() else 1
    time_bits = ((int(time.max()) - first) // step).bit_length()
    spare = 64 - int(user.max()).bit_length() - time_bits
    if spare < 1:
        return np.lexsort((rating, mix(hashed[0][user], hashed[1][item]), time, user))
    key = np.empty(len(user), np.uint64)

    def fill(rows: slice) -> None:
        tie = mix(hashed[0][user[rows]], hashed[1][item[rows]]) >> np.uint64(64 - spare)
        when = ((time[rows] - first) // step).astype(np.uint64) << np.uint64(spare)
        key[rows] = tie | when | (user[rows].astype(np.uint64) << np.uint64(spare + time_bits))

    blockwise(len(user), fill)
    place = np.argsort(key)
    return _untie(place, key, lambda p: (rating[p], mix(hashed[0][user[p]], hashed[1][item[p]])))


def _untie(place: I64, key: U64, rest: Callable[[I64], tuple[npt.NDArray[np.float32], U64]]) -> I64:
    """Where the first bits of the hash were not enough, sort by all of them, and then by rating."""
    same = np.empty(len(place), bool)

    def compare(rows: slice) -> None:
        ordered = key[place[max(rows.start - 1, 0) : rows.stop]]
        same[rows] = np.concatenate([[False], ordered[1:] == ordered[:-1]])[-len(same[rows]) :]

    blockwise(len(place), compare)
    again = np.flatnonzero(same | np.append(same[1:], False))
    if len(again):
        among = place[again]
        place[again] = among[np.lexsort((*rest(among), key[among]))]
    return place
