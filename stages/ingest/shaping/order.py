"""The order of events: by user, by time, and in ties by a seeded hash of who and what."""

import hashlib
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from stages.ingest.shaping import parallel
from stages.ingest.shaping.parallel import I64, U32, U64, blockwise, on_all_cores


def id_hashes(ids: pl.Series, seed: int, role: str) -> U64:
    """A number in 64 bits for each raw id; another id, its neighbours or the order of the file do not change it."""
    key = f"{role} {seed}".encode()
    if ids.dtype.is_integer():
        salt = np.frombuffer(hashlib.blake2b(key, digest_size=8).digest(), "<u8")
        return pair_hash(ids.cast(pl.Int64).to_numpy().view(np.uint64), salt)
    digests = (hashlib.blake2b(i.encode(), digest_size=8, key=key).digest() for i in ids)
    return np.frombuffer(b"".join(digests), "<u8")


def pair_hash(user_hash: U64, item_hash: U64) -> U64:
    """One hash of a user's and an item's (the finish of splitmix64, https://prng.di.unimi.it/splitmix64.c)."""
    h = user_hash + item_hash
    h ^= h >> np.uint64(30)
    h *= np.uint64(0xBF58476D1CE4E5B9)
    h ^= h >> np.uint64(27)
    h *= np.uint64(0x94D049BB133111EB)
    return h ^ (h >> np.uint64(31))


@dataclass(frozen=True)
class SortKeys:
    """What events are sorted by, columns [rows] with codes from 0; the hashes are those of all users and all items."""

    user: U32
    item: U32
    time: I64
    rating: npt.NDArray[np.float32]
    user_hash: U64
    item_hash: U64

    def tie(self, rows: slice | I64) -> U64:
        """The hash that decides between events at the same time."""
        return pair_hash(self.user_hash[self.user[rows]], self.item_hash[self.item[rows]])


def sort_rows(keys: SortKeys, kept: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
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
    parts = _by_user(keys.user)
    counts = [int(np.count_nonzero(kept[rows])) for rows in parts]
    place = np.empty(sum(counts), np.uint32 if len(kept) < 2**32 else np.int64)

    def sort(part: tuple[slice, int, int]) -> None:
        rows, count, start = part
        order = np.argsort(key[rows])[:count] + rows.start
        _untie(order, key, keys)
        place[start : start + count] = order

    on_all_cores(sort, zip(parts, counts, accumulate(counts, initial=0), strict=False))
    return place


def _step(time: I64) -> int:
    """1,000,000 where all times are whole seconds, else 1."""
    parts: list[bool] = []
    blockwise(len(time), lambda rows: parts.append(bool((time[rows] % 1_000_000).any())))
    return 1 if any(parts) else 1_000_000


def _by_user(user: U32) -> list[slice]:
    """Blocks that cut no user in two: many where the rows stand by user already, else one."""
    if not (user[1:] >= user[:-1]).all():
        return [slice(0, len(user))]
    bounds = np.arange(0, len(user), parallel.BLOCK)
    edges = [*np.unique(np.searchsorted(user, user[bounds])).tolist(), len(user)]
    return [slice(start, stop) for start, stop in pairwise(edges)]


def _untie(order: I64, key: U64, keys: SortKeys) -> None:
    """Where the first bits of the hash were not enough, sort by all of them, and then by rating; in place."""
    ordered = key[order]
    same = np.append(False, ordered[1:] == ordered[:-1])
    again = np.flatnonzero(same | np.append(same[1:], False))
    if len(again):
        among = order[again]
        order[again] = among[np.lexsort((keys.rating[among], keys.tie(among), key[among]))]
