"""What can be asked over HTTP: checked, bounded, and nothing else is let in."""

import re
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from serving.history import EARLIEST, LATEST, Muted, timed

ACTS, TOP, TAKEN, MUTED = 2000, 100, 10, 200
PLACES = 2**31  # a person of the data may have more acts than are taken

Name = Annotated[str, StringConstraints(min_length=1, max_length=300)]
Place = Annotated[int, Field(ge=0, lt=PLACES, strict=True)]


def _written(value: Any) -> Any:
    """A number, also one that is written as text (with no T and no colon), would be read as seconds since 1970."""
    if not isinstance(value, str) or not re.search("[Tt:]", value):
        raise ValueError("a time is written as text, such as 2026-05-01T20:00:00Z")
    return value


Time = Annotated[
    AwareDatetime,
    BeforeValidator(_written),
    AfterValidator(timed),
    Field(description=f"in the years {EARLIEST.year} to {LATEST.year}, with a zone"),
]


class Question(BaseModel):
    """A part of a question; a key that is not known is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AskedAct(Question):
    """An act of somebody new: raw id or title of the item; acts have times all or none."""

    item: Name
    time: Time | None = None
    rating: Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False, strict=True)] | None = None


class Moved(Question):
    """An act, by its place in the history as it was, at another time."""

    place: Place
    time: Time


class AskedHistory(Question):
    """A person of the data, or somebody new's acts, the oldest first; then what is changed about it.

    `without`: places (from 0) of acts that never were; `moved`: acts at other times. Places count before any change.
    """

    user: Name | None = None
    acts: Annotated[list[AskedAct], Field(max_length=ACTS)] | None = None
    without: Annotated[list[Place], Field(max_length=ACTS)] = []
    moved: Annotated[list[Moved], Field(max_length=ACTS)] = []

    @model_validator(mode="after")
    def _without_contradiction(self) -> "AskedHistory":
        if (self.user is None) == (self.acts is None):
            raise ValueError("either `user` or `acts`")
        places = [moved.place for moved in self.moved]
        if len(places) != len(set(places)):
            raise ValueError("`moved` names an act twice")
        return self


class MutedRegion(Question):
    """A region of an item's picture, by its number from 1."""

    item: Name
    number: Annotated[int, Field(ge=1, le=10_000, strict=True)]


class AskedMuted(Question):
    """What says nothing: words as they are written, regions, and whole views (`picture`, `text`)."""

    words: Annotated[list[Name], Field(max_length=MUTED)] = []
    regions: Annotated[list[MutedRegion], Field(max_length=MUTED)] = []
    views: Annotated[list[Name], Field(max_length=2)] = []

    def muted(self) -> Muted:
        """As the API takes it."""
        regions = tuple((region.item, region.number) for region in self.regions)
        return Muted(tuple(self.words), regions, tuple(self.views))


class Asked(Question):
    """A history, what is muted in it, the moment that is asked about (none: after all of it), and which model."""

    history: AskedHistory
    muted: AskedMuted = AskedMuted()
    at: Time | None = None
    model: Name | None = None


class AskedRecommend(Asked):
    """`reasons`: with a sentence each, which takes most of the time."""

    top: Annotated[int, Field(ge=1, le=TOP, strict=True)] = 10
    reasons: Annotated[bool, Field(strict=True)] = True


class AskedExplain(Asked):
    """`item`: raw id or title."""

    item: Name


class AskedWhyNot(AskedExplain):
    """Into or out of the first `top`, by at most `limit` acts."""

    top: Annotated[int, Field(ge=1, le=TOP, strict=True)] = 10
    limit: Annotated[int, Field(ge=1, le=TAKEN, strict=True)] = 5
