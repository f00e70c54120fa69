"""What is answered: plain records with raw ids and titles, which are JSON as they stand (docs/serving.md)."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from serving.history import WHOLE, Act

Rank = Annotated[int, Field(ge=1, description="from 1")]
Place = Annotated[int, Field(ge=0, description="of an act in the history, from 0")]
Count = Annotated[int, Field(ge=0)]
Number = Annotated[int, Field(ge=1, description="of the word, region, topic or view, from 1")]
Box = Annotated[tuple[float, ...], Field(min_length=4, max_length=4, description="left, top, right, bottom")]


@dataclass(frozen=True)
class Item:
    """An item by raw id and title (its raw id where it has none)."""

    item: str
    title: str


@dataclass(frozen=True)
class Recommendation(Item):
    """An item at its rank, from 1. `because`: a sentence that was checked, or None where none could be."""

    __pydantic_config__ = WHOLE

    rank: Rank
    score: float
    because: str | None = None


@dataclass(frozen=True)
class Similar(Item):
    """An item by the cosine between its vector and the asked one's."""

    rank: Rank
    cosine: float


@dataclass(frozen=True)
class Part:
    """One thing that is weighed. `place`: of the act that it belongs to, from 0, and `item` that act's item, or the
    recommended one where `place` is None; `part`: number of the word, region, topic or view, from 1; `box`: left, top,
    right, bottom of a region, in 0..1.
    """

    __pydantic_config__ = WHOLE

    label: str
    weight: float
    place: Place | None = None
    item: str | None = None
    part: Number | None = None
    box: Box | None = None


Over = Literal[
    "history", "item_history", "word", "region", "word_region", "topic", "view", "category", "gate", "item_gate"
]


@dataclass(frozen=True)
class Reading:
    """Weights over acts, words, regions, views, topics or others, the parts in their order. `kind`: share, gate or
    signed; `faithful`: the score was computed from these very weights; `name`: what the model calls them where its kind
    alone does not say it.
    """

    __pydantic_config__ = WHOLE

    over: Over
    kind: Literal["share", "gate", "signed"]
    faithful: bool
    parts: tuple[Part, ...]
    name: str = ""


@dataclass(frozen=True)
class Explanation(Item):
    """Why an item has its score. `influence`: the leading reading of its log-probability (its rating) for every model;
    `own`: the weights that the model itself gives, under their own names.
    """

    rank: Rank
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

    rank: Rank
    score: float
    top: Rank
    found: bool
    places: tuple[Place, ...]
    acts: tuple[Act, ...]
    rank_without: Rank | None
    told: str


@dataclass(frozen=True)
class Exported:
    """What was written, by file name; `encoder`: why there is none, or how far it lies from the model."""

    folder: str
    files: tuple[str, ...]
    people: Count
    items: Count
    width: Count
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
