"""The events of a source as columns of numbers: fast to order, to thin and to count at tens of millions of rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from engine.tables.schema import Time
from stages.ingest.shaping.codes import encode
from stages.ingest.shaping.order import SortKeys, id_hashes, sort_rows
from stages.ingest.shaping.parallel import I64, U32, U64, blockwise, gather

Mask = npt.NDArray[np.bool_]


@dataclass
class EventLog:
    """Columns [rows]; codes count from 0 among `users` and `items`, the sorted raw ids. A missing rating is NaN."""

    user: U32
    item: U32
    rating: npt.NDArray[np.float32] | None
    time: I64 | None
    users: pl.Series
    items: pl.Series

    def take(self, rows: npt.NDArray[Any]) -> None:
        """Keep these rows (places, or a mask) in that order; one column after the other, to spare memory."""
        places = np.flatnonzero(rows) if rows.dtype == bool else rows
        self.user, self.item = gather(self.user, places), gather(self.item, places)
        self.rating = None if self.rating is None else gather(self.rating, places)
        self.time = None if self.time is None else gather(self.time, places)

    def sort(self, seed: int, kept: Mask, ties: str = "hash") -> None:
        """The kept rows by user, time, and a seeded hash of (user, item), or `file`: their places."""
        if self.time is None:
            raise ValueError("events without times need a source that states their order")
        if ties == "file":
            self.take(kept)
            self.take(np.lexsort((self.time, self.user)))
            return
        rating = np.zeros(len(self.user), np.float32) if self.rating is None else self.rating
        hashed = id_hashes(self.users, seed, "user"), id_hashes(self.items, seed, "item")
        self.take(sort_rows(SortKeys(self.user, self.item, self.time, rating, *hashed), kept))

    def pair_keys(self) -> U64:
        """(user, item) of each row as one number."""
        key = np.empty(len(self.user), np.uint64)

        def fill(rows: slice) -> None:
            key[rows] = (self.user[rows].astype(np.uint64) << np.uint64(32)) | self.item[rows]

        blockwise(len(key), fill)
        return key

    def count_repeats(self) -> int:
        """How many rows name a (user, item) that another row has named."""
        if self._rise():
            return 0
        key = self.pair_keys()
        key.sort()
        return int(np.count_nonzero(key[1:] == key[:-1]))

    def _rise(self) -> bool:
        """Whether (user, item) rises from row to row, as MovieLens has it: then none can repeat."""
        falls: list[bool] = []

        def compare(rows: slice) -> None:
            user, item = (column[max(rows.start - 1, 0) : rows.stop] for column in (self.user, self.item))
            rises = (user[1:] > user[:-1]) | ((user[1:] == user[:-1]) & (item[1:] > item[:-1]))
            falls.append(not rises.all())

        blockwise(len(self.user), compare)
        return not any(falls)

    def first_of_equals(self) -> Mask:
        """Whether no row before has the same user, item, time and rating; a missing rating equals a missing one."""
        columns = {name: getattr(self, name) for name in ("user", "item", "time", "rating")}
        there = pl.DataFrame({name: column for name, column in columns.items() if column is not None})
        first: Mask = there.select(pl.struct(pl.all()).is_first_distinct()).to_series().to_numpy()
        return first

    def equals_previous(self, names: tuple[str, ...]) -> Mask:
        """Whether a row equals the one before it in these columns; a missing rating equals a missing one."""
        same = np.ones(len(self.user), bool)
        same[:1] = False
        for name in names:
            column = getattr(self, name)
            if column is not None:
                both = np.isnan(column[1:]) & np.isnan(column[:-1]) if name == "rating" else False
                same[1:] &= (column[1:] == column[:-1]) | both
        return same


def to_event_log(events: pl.DataFrame) -> EventLog:
    """The log of events `user, item, rating, time` with raw ids."""
    rating, time = (None if events[name].null_count() == events.height else events[name] for name in ("rating", "time"))
    if time is not None and time.null_count():
        raise ValueError(f"{time.null_count()} of {events.height} events have no time, the others have one")
    user, users = encode(events["user"])
    item, items = encode(events["item"])
    return EventLog(
        user,
        item,
        None if rating is None else rating.cast(pl.Float32).to_numpy(),
        None if time is None else time.cast(Time).to_physical().to_numpy(),
        _wide(users),
        _wide(items),
    )


def _wide(ids: pl.Series) -> pl.Series:
    return ids.cast(pl.Int64) if ids.dtype.is_integer() else ids
