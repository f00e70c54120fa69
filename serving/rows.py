"""Histories to the batch that a model is given, alike whether they are a person's own, edited, or somebody new's."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import polars as pl
import torch
from torch import Tensor

from engine.tables.arrays import event_columns
from engine.tables.schemas import SPLIT
from engine.training.batch import Batch
from engine.training.cases import Seen
from engine.training.interactions import Interactions
from engine.training.needs import Needs
from serving.events import Events
from serving.history import History, Refused, seconds
from serving.names import Names
from serving.topics import Topics

COLUMNS = {name: SPLIT.columns[name] for name in ("user", "item", "time", "rating")}


class Rows:
    """Makes batches of what a model needs."""

    def __init__(self, names: Names, events: Events, topics: Topics, needs: Needs, device: str):
        self._names, self._events, self._topics, self._needs, self._device = names, events, topics, needs, device

    def batch(self, histories: Sequence[History], moment: datetime | None) -> Batch:
        """A row a history, asked at a moment, or after all that is known (None). Each has an act at least.

        Raises:
            Refused: the model reads times or ratings, and an act has none.
        """
        for history in histories:
            self._refuse(history, moment)
        frame = self._frame(histories)
        people = [0 if one.user is None else self._names.person_code(one.user) for one in histories]
        topic = self._topics.profiles(frame, people) if self._needs.topics else None
        known = Interactions.of(event_columns(frame), self._events.items, topic, self._device)
        if self._needs.item_length:
            known = replace(known, others=self._events.audience)
        row_B = torch.arange(1, len(histories) + 1, device=self._device)
        length_B = known.offset_U.diff()[row_B]
        now_B = None if moment is None else torch.full_like(row_B, seconds(moment))
        user_B = torch.tensor(people, device=self._device)
        return known.before(row_B, length_B, self._needs, now_B).but(user_B=user_B)

    def left_out(self, histories: Sequence[History], seen: Seen) -> tuple[Tensor, Tensor]:
        """Pairs (row, item) that are no recommendations: what was had, if that is left out. Sorted by item."""
        had = [
            (self._names.code(act.item), row) for row, history in enumerate(histories) for act in history.acts
        ] if seen == "excluded" else []  # fmt: skip
        pairs = torch.tensor(sorted(set(had)), dtype=torch.int64, device=self._device).reshape(-1, 2)
        return pairs[:, 1].contiguous(), pairs[:, 0].contiguous()

    def _frame(self, histories: Sequence[History]) -> pl.DataFrame:
        acts = [
            (row, self._names.code(act.item), act.time, act.rating)
            for row, history in enumerate(histories, 1)
            for act in history.acts
        ]
        return pl.DataFrame(acts, schema=COLUMNS, orient="row")

    def _refuse(self, history: History, moment: datetime | None) -> None:
        if not history.acts:
            raise Refused("a history needs an act at least" + (f" before {moment.isoformat()}" if moment else ""))
        timed = self._needs.times or self._needs.now or self._needs.item_length > 0
        for name, read in (("time", timed), ("rating", self._needs.ratings)):
            lacking = [place for place, act in enumerate(history.acts) if getattr(act, name) is None]
            if read and lacking:
                title = history.acts[lacking[0]].title
                raise Refused(f"the model reads {name}s, and act {lacking[0]} ({title}) has none: give it one")
