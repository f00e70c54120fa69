"""Everyone's events as flat arrays that live on the device, and the batches that are cut from them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from engine.tables.lacking import Lacking
from engine.training.audience import NEVER, Audience, Clock
from engine.training.batch import Batch
from engine.training.needs import Needs
from engine.training.profile import ProfileSource


@dataclass(frozen=True)
class Interactions:
    """Flat events sorted by user and position, on a device: users u at offset_U[u] … offset_U[u + 1].

    user_E, item_E i64 · time_E i64 unix seconds or None · event_E: number of the event in the whole data ·
    topic_ET f16 or None, by event number. `users` and `items` are the highest codes. rating_E f32 or None;
    train_E bool: the events that the histories of items are made of (None: all). `others`: those histories themselves,
    where they are not made of these events.
    """

    user_E: Tensor
    item_E: Tensor
    event_E: Tensor
    offset_U: Tensor
    users: int
    items: int
    time_E: Tensor | None = None
    topic_ET: Tensor | None = None
    rating_E: Tensor | None = None
    train_E: Tensor | None = None
    profiles: ProfileSource | None = None
    others: Audience | None = None

    @staticmethod
    def of(
        columns: Mapping[str, np.ndarray], items: int, topic: np.ndarray | None = None, device: str = "cpu"
    ) -> "Interactions":
        """From columns sorted by user and position: user, item, event i64, and time, rating, train where there are.

        `tables.arrays.event_columns` makes them of a split table. `topic` [events + 1, T] goes by event number.
        """

        def put(name: str) -> Tensor | None:
            return torch.from_numpy(np.array(columns[name])).to(device) if name in columns else None

        user_E, item_E, event_E = put("user"), put("item"), put("event")
        assert user_E is not None
        assert item_E is not None
        assert event_E is not None
        users = int(user_E.max()) if len(user_E) else 0
        return Interactions(
            user_E=user_E,
            item_E=item_E,
            event_E=event_E,
            offset_U=torch.searchsorted(user_E, torch.arange(users + 2, device=device)),
            users=users,
            items=items,
            time_E=put("time"),
            topic_ET=None if topic is None else torch.from_numpy(topic).to(device),
            rating_E=put("rating"),
            train_E=put("train"),
        )

    def __len__(self) -> int:
        return int(self.item_E.shape[0])

    @cached_property
    def clock(self) -> Clock:
        """To find what a user did strictly before a moment."""
        return Clock.of(self.user_E, self._moments)

    @cached_property
    def audience(self) -> Audience:
        """Who acted on each item in training."""
        if self.others is not None:
            return self.others
        at_E = slice(None) if self.train_E is None else self.train_E
        rating_E = None if self.rating_E is None else self.rating_E[at_E]
        return Audience.of(self.item_E[at_E], self.user_E[at_E], self._moments[at_E], rating_E)

    @property
    def _moments(self) -> Tensor:
        if self.time_E is None:
            raise Lacking("the model asks at moments, and these events have none: choose another model or data")
        return self.time_E

    def rows(self, start_B: Tensor, stop_B: Tensor, user_B: Tensor, needs: Needs) -> Batch:
        """Rows of the events [start, stop) by place in the flat arrays; at most `needs.length` of them, the last."""
        stop_B = torch.maximum(stop_B, start_B)
        start_B = torch.maximum(start_B, stop_B - needs.length)
        length_B = stop_B - start_B
        span = max(int(length_B.max()), min(needs.length, 1)) if len(length_B) else 0
        step_L = torch.arange(span, device=start_B.device)
        valid_BL = step_L < length_B[:, None]
        place_BL = (start_B[:, None] + step_L).clamp(max=max(len(self) - 1, 0))
        event_BL = self.event_E[place_BL] * valid_BL
        if needs.times and self.time_E is None:
            raise Lacking("the model uses times, and these events have none: choose other settings or other data")
        time_BL = self.time_E[place_BL] * valid_BL if needs.times and self.time_E is not None else None
        if needs.topics and self.topic_ET is None:
            raise Lacking("the model uses topics, and there are none; set contents.<content>.topics.method")
        topic_BLT = self.topic_ET[event_BL].float() if needs.topics and self.topic_ET is not None else None
        return Batch(
            user_B=user_B,
            item_BL=self.item_E[place_BL] * valid_BL,
            length_B=length_B,
            event_BL=event_BL,
            time_BL=time_BL,
            topic_BLT=topic_BLT,
            rating_BL=self.rated(place_BL) * valid_BL if needs.ratings else None,
            profiles=self.profiles if needs.topics else None,
        )

    def rated(self, place: Tensor) -> Tensor:
        """The ratings at some places.

        Raises:
            Lacking: an event has none.
        """
        if self.rating_E is None:
            raise Lacking(
                "the model reads ratings, and these events have none, or some of them lack one: choose other settings "
                "or other data"
            )
        return self.rating_E[place]

    def before(self, user_B: Tensor, position_B: Tensor, needs: Needs, now_B: Tensor | None = None) -> Batch:
        """What each user did before a position (counted from 0 within the user): the rows that are ranked. They are
        asked at the moment of the event at that position, or at `now_B`, unix seconds.
        """
        start_B = self.offset_U[user_B]
        place_B = start_B + position_B
        if not needs.item_length and not needs.now:
            return self.rows(start_B, place_B, user_B, needs)
        if now_B is None:
            asked_B = place_B < self.offset_U[user_B + 1]  # else the moment is now: after all that is known
            now_B = torch.where(asked_B, self._moments[place_B.clamp(max=len(self) - 1)], NEVER)
        stop_B = torch.minimum(place_B, self.clock.before(user_B, now_B)) if needs.item_length else place_B
        audience = self.audience if needs.item_length else None
        return self.rows(start_B, stop_B, user_B, needs).but(now_B=now_B, audience=audience)

    def targets(self, start_B: Tensor, stop_B: Tensor, needs: Needs) -> Batch:
        """Rows [start, stop); a target is the item `needs.ahead` events later, which must be the same user's."""
        start_B = torch.maximum(start_B, stop_B - needs.span)
        batch = self.rows(start_B, stop_B, self.user_E[start_B], replace(needs, length=needs.span))
        step_L = torch.arange(batch.item_BL.shape[1], device=start_B.device)
        place_BL = (start_B[:, None] + step_L + needs.ahead).clamp(max=max(len(self) - 1, 0))
        now_B = self._moments[stop_B - 1 + needs.ahead] if needs.now else None
        return batch.but(target_BL=self.item_E[place_BL] * batch.valid_BL, now_B=now_B)

    def pairs(self, place_B: Tensor, needs: Needs | None = None) -> Batch:
        """Each event as its user's target, after the history before it that the model needs."""
        needs = needs or Needs()
        user_B = self.user_E[place_B]
        batch = self.before(user_B, place_B - self.offset_U[user_B], needs)
        if needs.leak:
            whole = self.rows(self.offset_U[user_B], self.offset_U[user_B + 1], user_B, needs)
            batch = whole.but(audience=batch.audience, now_B=torch.full_like(place_B, NEVER))
        rated_B = self.rated(place_B) if needs.predicts == "rating" else None
        return batch.but(target_BL=self.item_E[place_B][:, None], rated_B=rated_B)
