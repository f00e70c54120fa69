"""Reasons to a page: what each person did, what is recommended and why, in one HTML file that needs nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stages.explain import drawing
from stages.explain.posters import Poster


@dataclass(frozen=True)
class Film:
    """An item as it is shown; `words_used` and `regions_used` say whether the score was computed from those weights;
    `even`: the words' weights are shares; `views` are shares of the whole, `adds` what each view adds to the score."""

    item: int
    title: str
    poster: Poster
    runs: list[drawing.Run]
    missing: str
    regions: list[drawing.Region]
    words_used: bool | None
    regions_used: bool | None
    views: list[tuple[str, float]]
    adds: list[tuple[str, float]]
    adds_used: bool | None
    even: bool

    @property
    def top_word(self) -> tuple[str, float, int] | None:
        """The heaviest word, its weight, and of how many words."""
        found = [(run.weight, run.text) for run in self.runs if run.weight is not None]
        return (max(found)[1], max(found)[0], len(found)) if found else None


@dataclass(frozen=True)
class Act:
    """Something that a person did: when (as text), how it weighs, its bar in percent of the heaviest."""

    film: Film
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
    """One article of the page."""

    name: str
    acts: int
    when: str
    history: list[Act]
    history_used: bool | None
    first: Film | None
    others: list[tuple[Film, float]]
    close: list[Act]
    topics: list[Topic]
    topics_used: bool | None
    chart: drawing.Chart | None
    views: list[tuple[str, float]]
    target: Film
    place: float
    rivals: int
    frozen: bool
    hit: bool
    truth: dict[str, Any] | None
    more: list[str]


def render(people: Sequence[Person], model: str, explains: bool, readings: dict[str, float]) -> str:
    """The page; every text in it is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    films = [film for p in people for film in [p.target, *(act.film for act in p.history), *(f for f, _ in p.others)]]
    shown = {film.item: film.poster for film in films if film.poster.uri}
    html = environment.get_template("page.html.j2").render(
        people=people, model=model, explains=explains, readings=readings, posters=shown, levels=drawing.LEVELS
    )
    return html.strip() + "\n"
