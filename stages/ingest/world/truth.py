"""Why each act of the demo's people happened: its cause, and what of the film and of the past it rests on."""

import re
from typing import Any

from stages.ingest.world.acts import Acts
from stages.ingest.world.films import WHOLE, Films
from stages.ingest.world.lexicon import lexicon
from stages.ingest.world.mixture import ACCIDENT, CAUSES, HOUR, LASTING, PASSING, VISUAL
from stages.ingest.world.people import People

_EARLIER = 5  # how many earlier films a reason names at most


def reasons(films: Films, people: People, acts: Acts) -> dict[str, list[Any]]:
    """The columns of TRUTH, an act a row, person by person in time."""
    world = lexicon()
    themes, looks = list(world.themes), world.looks()
    mentioned = [set(re.findall(r"\w+", text)) for text in films.plots]
    columns: dict[str, list[Any]] = {name: [] for name in ("cause", "earlier", "topic", "words", "object", "box")}
    for user, count in enumerate(people.acts_U):
        past: dict[tuple[int, str | None], list[int]] = {}
        for n in range(count):
            film, cause = int(acts.film_UN[user, n]), int(acts.cause_UN[user, n])
            topic = words = thing = box = None
            if acts.switched_UN[user, n]:
                past = {key: seen for key, seen in past.items() if key[0] != PASSING}
            if cause in (LASTING, PASSING, HOUR):
                topic = themes[films.theme_F2[film, 0]]
                words = world.themes[topic].words()
            elif cause == VISUAL:
                thing = looks[acts.look_UN[user, n]]
                box = films.objects[film].get(thing, WHOLE)
            earlier = past.setdefault((cause, topic or thing), [])
            columns["cause"].append(CAUSES[cause])
            columns["earlier"].append(None if cause == ACCIDENT else earlier[-_EARLIER:])
            columns["topic"].append(topic)
            columns["words"].append(None if words is None else sorted(words & mentioned[film]))
            columns["object"].append(thing)
            columns["box"].append(box)
            earlier.append(film + 1)
    return columns
