"""What a person did, as it is asked about: acts in order, which can be taken away or moved in time."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from pydantic import ConfigDict

EARLIEST, LATEST = (
    datetime(2, 1, 1, tzinfo=UTC),
    datetime(9998, 12, 31, tzinfo=UTC),
)  # in every zone a time of years 1 to 9999

WHOLE = ConfigDict(json_schema_serialization_defaults_required=True)  # an answer has all of its fields


class Refused(ValueError):
    """What was asked cannot be answered; says what was found and what would do. `nearest`: names that were meant."""

    def __init__(self, message: str, nearest: tuple[str, ...] = ()):
        super().__init__(message)
        self.nearest = nearest


@dataclass(frozen=True)
class Act:
    """One thing that was done: the item's raw id and title, when (with a time zone), and the rating that was given."""

    __pydantic_config__ = WHOLE

    item: str
    title: str
    time: datetime | None = None
    rating: float | None = None


@dataclass(frozen=True)
class History:
    """Acts, the oldest first. `user`: the raw id of a person of the data, edited or not; None: somebody new.

    `gone`: what was taken away; its words and regions may still be muted, which changes nothing.
    """

    user: str | None
    acts: tuple[Act, ...]
    gone: tuple[Act, ...] = field(default=(), compare=False)

    def without(self, places: Iterable[int]) -> "History":
        """As if some acts, by place from 0, had never been.

        Raises:
            Refused: there is no such place.
        """
        away = {self._place(place) for place in places}
        kept, gone = (tuple(a for n, a in enumerate(self.acts) if (n in away) is out) for out in (False, True))
        return replace(self, acts=kept, gone=(*self.gone, *gone))

    def moved(self, place: int, time: datetime) -> "History":
        """As if an act had been at another time; it then stands after those that were before or at it.

        Raises:
            Refused: there is no such place, or the acts have no times.
        """
        act = self.acts[self._place(place)]
        others = [*self.acts[:place], *self.acts[place + 1 :]]
        if act.time is None:
            raise Refused(f"act {place} has no time, so that it can be moved to none")
        timed(time)
        before = [
            n for n, other in enumerate(others, 1) if other.time is not None and instant(other.time) <= instant(time)
        ]
        cut = max(before, default=0)
        return replace(self, acts=(*others[:cut], replace(act, time=time), *others[cut:]))

    def before(self, moment: datetime | None) -> "History":
        """What had been done before a moment (None: all).

        Raises:
            Refused: an act has no time, so that nobody can say whether it had.
        """
        if moment is None:
            return self
        end = seconds(timed(moment))
        if any(act.time is None for act in self.acts):
            raise Refused("these acts have no times, so that none can be said to have been before a moment: name none")
        been = (act for act in self.acts if act.time is not None and seconds(act.time) < end)
        return replace(self, acts=tuple(been))

    def _place(self, place: int) -> int:
        if not 0 <= place < len(self.acts):
            raise Refused(f"there is no act {place}: this history has {len(self.acts)}, counted from 0")
        return place


@dataclass(frozen=True)
class Muted:
    """What is silenced in the acts' items: words by how they are written, regions by item and number (from 1), and
    whole views, "picture" or "text".
    """

    words: tuple[str, ...] = ()
    regions: tuple[tuple[str, int], ...] = ()
    views: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.words or self.regions or self.views)


def timed(time: datetime) -> datetime:
    """The time, which must have a zone and lie in the years 2 to 9998.

    Raises:
        Refused: it has none, or lies elsewhere.
    """
    if time.tzinfo is None:
        raise Refused(f"{time.isoformat()} has no time zone: write {time.isoformat()}Z for UTC")
    if not EARLIEST <= time <= LATEST:
        raise Refused(f"{time.isoformat()} is too far away: times lie in the years {EARLIEST.year} to {LATEST.year}")
    return time


def instant(time: datetime) -> datetime:
    """The time in UTC: of two times of one zone Python compares what the clock on the wall shows, which may go back."""
    return time.astimezone(UTC)


def seconds(time: datetime) -> int:
    """Unix seconds, rounded down as those are that models read."""
    return math.floor(time.timestamp())
