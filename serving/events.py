"""The events of a data set as far as one answer needs them: a person's acts, pauses, who acted on each item."""

from datetime import datetime, timedelta
from functools import cached_property

import polars as pl

from engine.tables import store
from engine.tables.arrays import event_columns
from engine.tables.layout import Layout
from engine.tables.schemas import SPLIT
from engine.training.audience import Audience
from engine.training.interactions import Interactions
from serving.history import Act, History
from serving.names import Names


class Events:
    """Reads the split table, of which a person's rows alone where no more is asked."""

    def __init__(self, layout: Layout, names: Names):
        self._layout, self._names = layout, names
        about = store.meta(layout.split) if layout.split.exists() else {}
        self.items, self.users = int(about.get("items", 0)), int(about.get("users", 0))
        self.person(0)  # refuses at once where there is no table
        for path, named, count in (
            (layout.items, names.item_count, self.items),
            (layout.users, names.people_count, self.users),
        ):
            if named < count:
                raise ValueError(
                    f"{path} has {named:,} rows where {layout.split} was made of {count:,}: they are of two runs; "
                    "`dvc repro` makes them anew"
                )

    def person(self, code: int) -> pl.DataFrame:
        """A person's rows of the split table, in order."""
        return store.find(self._layout.split, SPLIT, user=code)

    def history(self, raw: str) -> History:
        """All that a person did."""
        rows = self.person(self._names.person_code(raw)).select("item", "time", "rating").iter_rows()
        found = [(self._names.item(item), time, rating) for item, time, rating in rows]
        return History(raw, tuple(Act(item.item, item.title, time, rating) for item, time, rating in found))

    @cached_property
    def timed(self) -> bool:
        """Whether the events have times."""
        return bool(self._all.height) and self._all["time"].null_count() == 0

    @cached_property
    def last(self) -> datetime:
        """The time of the last event of all."""
        last: datetime = self._all["time"].max()  # type: ignore[assignment]
        return last

    @cached_property
    def pause(self) -> timedelta:
        """The median time between two acts of a person, at least a second."""
        pauses = self._all.select(pl.col("time").diff().over("user")).to_series().drop_nulls()
        found = pauses.median()
        return max(found, timedelta(seconds=1)) if isinstance(found, timedelta) else timedelta(seconds=1)

    @cached_property
    def audience(self) -> Audience:
        """Who acted on each item in training."""
        return Interactions.of(event_columns(self._all), self.items).audience

    @cached_property
    def _all(self) -> pl.DataFrame:
        return store.read(self._layout.split, SPLIT)
