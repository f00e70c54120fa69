"""The topic profile after each act of any history, made anew from the acts that are left."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import polars as pl

from engine.tables import store
from engine.tables.arrays import vectors
from engine.tables.layout import Layout
from engine.tables.schemas import TOPIC_HISTORY, TOPIC_ITEMS
from engine.tables.topic_windows import windows
from engine.training.profile import moved
from engine.training.source import topic_profiles
from serving.events import Events

Acts = dict[object, list[int]]  # the items of each window, sorted


class Topics:
    """A window whose acts are as they were in the data keeps its row of the history table. One that was changed has
    it moved by as much as the mean share of its items moves, as where acts are erased (`ProfileSource.without`). One
    that the data does not have gets the mean share of its items: the topics themselves are not fitted here.
    """

    def __init__(self, layout: Layout, events: Events):
        self._layout, self._events = layout, events

    def profiles(self, frame: pl.DataFrame, people: Sequence[int]) -> np.ndarray:
        """[E + 1, T] by event number, row 0 is padding.

        Args:
            frame: user (1 … V in order: whose row it is), item, time, in order. people: the code of each user (0: new).
        """
        about = store.meta(self._layout.topic_history)
        decay, window = float(about["decay"]), str(about["window"])
        history = self._history(frame, people, window)
        after = topic_profiles(frame, history, self._items, decay, window, compiled=False)
        return np.concatenate([np.zeros((1, after.shape[1]), after.dtype), after])

    def _history(self, frame: pl.DataFrame, people: Sequence[int], window: str) -> pl.DataFrame:
        users, starts, shares = [], [], []
        if frame["time"].null_count() < frame.height:
            known = {code: self._known(code, window) for code in set(people) - {0}}
            for (user,), own in frame.group_by("user", maintain_order=True):
                before, rows = known.get(people[int(user) - 1], ({}, {}))
                for start, items in _by_window(own, window).items():
                    share = self._changed(rows.get(start), before.get(start, []), items)
                    if share is not None:
                        users.append(user)
                        starts.append(start)
                        shares.append(share)
        width = self._items.schema["share"].size  # type: ignore[attr-defined]
        columns = {"user": users, "window": starts, "share": np.array(shares, np.float32).reshape(-1, width)}
        return pl.DataFrame(columns, schema={**TOPIC_HISTORY.columns, "share": pl.Array(pl.Float32, width)})

    def _known(self, code: int, window: str) -> tuple[Acts, dict[object, np.ndarray]]:
        """A person's acts and history shares in the data, by window."""
        rows = store.find(self._layout.topic_history, TOPIC_HISTORY, user=code)
        share_HT = vectors(rows["share"])
        return _by_window(self._events.person(code), window), dict(zip(rows["window"].to_list(), share_HT, strict=True))

    def _changed(self, row_T: np.ndarray | None, before: list[int], after: list[int]) -> np.ndarray | None:
        """The share of a window from its row in the data and its items there and now; None: it says nothing."""
        was_T, is_T = self._mean(before), self._mean(after)
        if row_T is None or was_T is None or is_T is None:
            return is_T
        return row_T if before == after else moved(row_T.astype(np.float64), is_T - was_T)

    def _mean(self, items: list[int]) -> np.ndarray | None:
        shares = [self._share[item] for item in items if item in self._share]
        return np.stack(shares).mean(axis=0) if shares else None

    @cached_property
    def _items(self) -> pl.DataFrame:
        return store.read(self._layout.topic_items, TOPIC_ITEMS)

    @cached_property
    def _share(self) -> dict[int, np.ndarray]:
        return dict(zip(self._items["item"].to_list(), vectors(self._items["share"]), strict=True))


def _by_window(frame: pl.DataFrame, window: str) -> Acts:
    found: Acts = {}
    for start, item in frame.select(windows(pl.col("time"), window), "item").iter_rows():
        found.setdefault(start, []).append(item)
    return {start: sorted(items) for start, items in found.items()}
