"""Reasons to a page: what each person did, what is recommended and why, in one HTML file that needs nothing else."""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from engine.evaluation.cause import TRIED
from engine.tables.domain_words import DomainWords
from stages.explain import drawing
from stages.explain.display_text import visible
from stages.explain.inside import Inside
from stages.explain.page_contents import Person
from stages.explain.trust import Trust

SCRIPT = Path(__file__).with_name("page.js")


@dataclass(frozen=True)
class About:
    """What the page is about: the model, whether it has weights of its own, and what things are called."""

    model: str
    explains: bool
    words: DomainWords


def insides(people: Sequence[Person]) -> Iterator[Inside]:
    """All that is weighed inside the items that are shown."""
    for person in people:
        for card in [event.card for event in person.detailed] + [one.card for one in person.recommended]:
            yield from card.inside


def legend(people: Sequence[Person]) -> set[str]:
    """What there is to explain on the page: marks, names of weights, and how words and regions are drawn."""
    found = set()
    for person in people:
        readings = [*person.readings, *(r for one in person.recommended for r in one.readings)]
        readings += [other.reading for one in person.recommended for other in one.others]
        readings += [views.reading for views in person.views]
        found |= {name for reading in readings for name in (reading.mark, reading.name)}
        if person.topics_reading:
            found |= {person.topics_reading.mark, person.topics_reading.name}
        for one in person.recommended:
            led = [inside for inside in one.card.inside if inside.mark == "influence"]
            found |= {"of acts"} if one.acts else set()
            found |= {"of the item"} if any(inside.words or inside.regions for inside in led) else set()
            found |= {"said of the item"} if one.sentence and not one.acts else set()
    for inside in insides(people):
        found.add(inside.mark)
        for words in inside.words:
            levels = [span.level for span in words.text]
            found |= {words.name, *(["words"] if any(levels) else []), *(["even"] if words.even else [])}
            found |= {"against"} if min(levels, default=0) < 0 else set()
        for regions in inside.regions:
            found |= {regions.name}
            found |= {"region" if box.number > 0 else "region against" for box in regions.boxes if box.number}
    return found


def unindented(name: str) -> str:
    """A template without the spaces that begin its lines, which are a tenth of a page of many people."""
    lines = Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines()
    return "\n".join(line.strip() for line in lines)


def render(people: Sequence[Person], about: About, trust: Trust) -> str:
    """The page; every text in it is escaped, and no script but its own is run."""
    environment = Environment(
        loader=FunctionLoader(unindented),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    posters = {card.item: card.poster for person in people for card in person.cards if card.poster.uri}
    script = "\n" + SCRIPT.read_text(encoding="utf-8")
    html = environment.get_template("page.html.j2").render(
        people=people,
        about=about,
        terms=about.words,
        trust=trust,
        posters=posters,
        levels=drawing.LEVELS,
        tried=TRIED,
        legend=legend(people),
        script=Markup(script),
        allowed="sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    return html.strip() + "\n"
