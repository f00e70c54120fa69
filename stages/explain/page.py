"""Reasons to a page: what each person did, what is recommended and why, in one HTML file that needs nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from stages.explain import drawing
from stages.explain.display_text import visible
from stages.explain.posters import Poster


@dataclass(frozen=True)
class ItemCard:
    """An item as it is shown; `tooltip` is an HTML attribute with the whole title where `title` is cut.

    `words_used`, `regions_used`, `adds_used`: the score was computed from these weights (None: nothing was weighed);
    `even`: the words' weights are shares; `views`: shares of the item's vector; `adds`: what views add to the score.
    """

    item: int
    title: str
    tooltip: Markup
    poster: Poster
    text: list[drawing.TextSpan]
    missing: str
    regions: list[drawing.RegionBox]
    words_used: bool | None
    regions_used: bool | None
    views: list[tuple[str, float]]
    adds: list[tuple[str, float]]
    adds_used: bool | None
    even: bool

    @property
    def top_word(self) -> tuple[str, float, int] | None:
        """The heaviest word, its weight, and of how many words."""
        words = [(span.weight, span.text) for span in self.text if span.weight is not None]
        return (max(words)[1], max(words)[0], len(words)) if words else None


@dataclass(frozen=True)
class HistoryEvent:
    """Something that a person did: when (as text), how it weighs, its bar in percent of the heaviest."""

    card: ItemCard
    when: str
    weight: float | None
    bar: float


@dataclass(frozen=True)
class Topic:
    """A topic by number and first words, with its share now and the colour of its line (0: not in the chart)."""

    number: int
    label: str
    share: float | None
    colour: int


@dataclass(frozen=True)
class Person:
    """A person's section: `events` in all, those shown, those shown with their contents, what is recommended."""

    name: str
    events: int
    when: str
    history: list[HistoryEvent]
    history_used: bool | None
    recommended: list[tuple[ItemCard, float]]
    detailed: list[HistoryEvent]
    topics: list[Topic]
    topics_used: bool | None
    chart: drawing.TrendChart | None
    views: list[tuple[str, float]]
    target: ItemCard
    rank: float
    rivals: int
    frozen: bool
    hit: bool
    truth: dict[str, Any] | None
    more: list[str]

    @property
    def cards(self) -> list[ItemCard]:
        """Every item that the section shows."""
        return [self.target, *(event.card for event in self.history), *(card for card, _ in self.recommended)]


def render(people: Sequence[Person], model: str, explains: bool, metrics: dict[str, float]) -> str:
    """The page; every text in it is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    posters = {card.item: card.poster for person in people for card in person.cards if card.poster.uri}
    html = environment.get_template("page.html.j2").render(
        people=people, model=model, explains=explains, metrics=metrics, posters=posters, levels=drawing.LEVELS
    )
    return html.strip() + "\n"
