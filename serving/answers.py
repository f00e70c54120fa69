"""What is answered: plain records with raw ids and titles, which are JSON as they stand (docs/serving.md)."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from serving.history import Act


@dataclass(frozen=True)
class Item:
    """An item by raw id and title (its raw id where it has none)."""

    item: str
    title: str


@dataclass(frozen=True)
class Recommendation(Item):
    """An item at its rank, from 1. `because`: a sentence that was checked, or None where none could be."""

    rank: int
    score: float
    because: str | None = None


@dataclass(frozen=True)
class Similar(Item):
    """An item by the cosine between its vector and the asked one's."""

    rank: int
    cosine: float


@dataclass(frozen=True)
class Part:
    """One thing that is weighed. `place`: of the act that it belongs to, from 0, and `item` that act's item, or the
    recommended one where `place` is None; `part`: number of the word, region, topic or view, from 1; `box`: left, top,
    right, bottom of a region, in 0..1.
    """

    label: str
    weight: float
    place: int | None = None
    item: str | None = None
    part: int | None = None
    box: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Reading:
    """Weights over acts, words, regions, views, topics or others, the parts in their order. `kind`: share, gate or
    signed; `faithful`: the score was computed from these very weights; `name`: what the model calls them where its kind
    alone does not say it.
    """

    over: str
    kind: str
    faithful: bool
    parts: tuple[Part, ...]
    name: str = ""


@dataclass(frozen=True)
class Explanation(Item):
    """Why an item has its score. `influence`: the leading reading of its log-probability (its rating) for every model;
    `own`: the weights that the model itself gives, under their own names.
    """

    rank: int
    score: float
    because: str | None
    influence: tuple[Reading, ...]
    own: tuple[Reading, ...]


@dataclass(frozen=True)
class WhyNot(Item):
    """An item's rank, and the acts (by place in the history) whose absence brings it into the first `top`, or out.

    `found`: whether there were such acts within the limit; `places`, `acts`: they, or nothing; `rank_without`: the rank
    without them, by scoring again; `told`: the same as a sentence.
    """

    rank: int
    score: float
    top: int
    found: bool
    places: tuple[int, ...]
    acts: tuple[Act, ...]
    rank_without: int | None
    told: str


@dataclass(frozen=True)
class Exported:
    """What was written, by file name; `encoder`: why there is none, or how far it lies from the model."""

    folder: str
    files: tuple[str, ...]
    people: int
    items: int
    width: int
    encoder: str


def as_json(answer: Any) -> Any:
    """An answer, or several, as what JSON knows; times as ISO 8601."""
    if isinstance(answer, list | tuple):
        return [as_json(one) for one in answer]
    if isinstance(answer, dict):
        return {key: as_json(value) for key, value in answer.items()}
    if isinstance(answer, datetime):
        return answer.isoformat()
    return as_json(asdict(answer)) if hasattr(answer, "__dataclass_fields__") else answer
