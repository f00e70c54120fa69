"""An item with what was weighed inside it: its words, the regions of its picture, its views."""

from dataclasses import dataclass

from markupsafe import Markup

from stages.explain import drawing
from stages.explain.posters import Poster
from stages.explain.weighed import Mark, Reading


@dataclass(frozen=True)
class WeighedWords:
    """A text in the shades of its words, and all `count` words in figures; `even`: they are shares.

    `heaviest`: the first few, with their weights. `figures`: all, the heaviest first, those of one figure together.
    """

    name: str
    text: list[drawing.TextSpan]
    heaviest: list[tuple[str, float]]
    figures: list[tuple[str, str]]
    count: int
    even: bool


@dataclass(frozen=True)
class WeighedRegions:
    """Boxes on a picture."""

    name: str
    boxes: list[drawing.RegionBox]


@dataclass(frozen=True)
class WeighedViews:
    """Picture, text and what else a model reads, with their weights: shares, or signed (`signed`)."""

    reading: Reading
    weights: list[tuple[str, float]]
    signed: bool


@dataclass(frozen=True)
class Inside:
    """What readings of one mark weigh inside an item."""

    mark: Mark
    words: list[WeighedWords]
    regions: list[WeighedRegions]
    views: list[WeighedViews]


@dataclass(frozen=True)
class ItemCard:
    """An item as it is shown; `tooltip` is an HTML attribute with the whole title where `title` is cut."""

    item: int
    title: str
    tooltip: Markup
    poster: Poster
    text: str
    missing: str
    inside: list[Inside]

    @property
    def open(self) -> list[Inside]:
        """What is shown at once: all but what was drawn afterwards."""
        return [inside for inside in self.inside if inside.mark != "after"]

    @property
    def folded(self) -> list[Inside]:
        """What was drawn afterwards."""
        return [inside for inside in self.inside if inside.mark == "after"]
