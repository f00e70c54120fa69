"""The other side of the events: who acted on each item, in time order, cut strictly before a moment."""

from dataclasses import dataclass

import torch
from torch import Tensor

NEVER = torch.iinfo(torch.int64).max  # later than all that is known


@dataclass(frozen=True)
class Clock:
    """Events sorted by an owner and time, so that what an owner had before a moment is found by a binary search.

    `key_E`: owner * span + time since `first`, non-decreasing.
    """

    key_E: Tensor
    first: int
    span: int

    @staticmethod
    def of(owner_E: Tensor, time_E: Tensor) -> "Clock":
        """The clock of events that are sorted so."""
        first = int(time_E.min()) if len(time_E) else 0
        span = int(time_E.max()) - first + 2 if len(time_E) else 2
        return Clock(owner_E * span + (time_E - first), first, span)

    def begin(self, owner_X: Tensor) -> Tensor:
        """The place of each owner's first event."""
        return torch.searchsorted(self.key_E, owner_X * self.span)

    def before(self, owner_X: Tensor, time_X: Tensor) -> Tensor:
        """The place after each owner's last event strictly before a time."""
        since_X = time_X.clamp(self.first, self.first + self.span - 1) - self.first
        return torch.searchsorted(self.key_E, owner_X * self.span + since_X)


@dataclass(frozen=True)
class Audience:
    """Training events sorted by item and time: user_E i64, time_E, rating_E f32 (None where the data has none)."""

    user_E: Tensor
    time_E: Tensor
    rating_E: Tensor | None
    clock: Clock

    @staticmethod
    def of(item_E: Tensor, user_E: Tensor, time_E: Tensor, rating_E: Tensor | None) -> "Audience":
        """The index of some events in any order; events of an item at one time stay in that order."""
        by_time_E = torch.argsort(time_E, stable=True)
        order_E = by_time_E[torch.argsort(item_E[by_time_E], stable=True)]
        return Audience(
            user_E[order_E],
            time_E[order_E],
            None if rating_E is None else rating_E[order_E],
            Clock.of(item_E[order_E], time_E[order_E]),
        )

    def cut(self, item_X: Tensor, now_X: Tensor, limit: int) -> tuple[Tensor, Tensor]:
        """The places [start, stop) of each item's last `limit` events strictly before `now`."""
        stop_X = self.clock.before(item_X, now_X)
        return torch.maximum(self.clock.begin(item_X), stop_X - limit), stop_X
