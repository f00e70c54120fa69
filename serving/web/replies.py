"""What each route answers, as /openapi.json describes it; the answers themselves are those of `serving.answers`."""

from dataclasses import dataclass
from typing import Literal

from serving.answers import Count, Explanation, Item, Place, Recommendation, WhyNot
from serving.history import Act


@dataclass(frozen=True)
class Reply:
    """`model`: by its name here; `places`: for each act of the history as it was asked about, its place before any
    change: the places of an answer count in this list.
    """

    model: str
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Recommended(Reply):
    """The first items, best first."""

    recommendations: tuple[Recommendation, ...]


@dataclass(frozen=True)
class Explained(Reply):
    """What was weighed for one item."""

    explanation: Explanation


@dataclass(frozen=True)
class WhyNotReply(Reply):
    """An item's rank, and what would change it."""

    why_not: WhyNot


@dataclass(frozen=True)
class Person:
    """What a person of the data did, the oldest first. `user`: the raw id; null for somebody new."""

    user: str | None
    acts: tuple[Act, ...]


@dataclass(frozen=True)
class Edited(Person):
    """Acts after all changes; `places`: the place of each before any."""

    places: tuple[Place, ...]


@dataclass(frozen=True)
class Found:
    """Items by words of their titles."""

    items: tuple[Item, ...]


@dataclass(frozen=True)
class People:
    """Raw ids."""

    people: tuple[str, ...]


@dataclass(frozen=True)
class Health:
    """`models`: by name, the first answers where none is named; `waiting`: questions that are not begun."""

    status: Literal["ok"]
    models: tuple[str, ...]
    waiting: Count


@dataclass(frozen=True)
class Wrong:
    """Why there is no answer; `nearest`: names that may have been meant."""

    error: str
    nearest: tuple[str, ...]
