"""The demo's world: films, posters, people and acts made from a seed; docs/demo.md states it exactly."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from engine.tables.domain_words import DomainWords
from engine.tables.schema import Table
from engine.tables.schemas import CATALOG, EVENTS, IMAGES, ITEMS, ORACLE, TRUTH, USERS
from engine.tables.settings import Record
from stages.ingest.shaping.source_tables import SourceTables
from stages.ingest.world.acts import draw_acts
from stages.ingest.world.calendar import START, SessionSettings, draw_calendar
from stages.ingest.world.films import Films, FilmSettings, draw_films
from stages.ingest.world.lexicon import lexicon
from stages.ingest.world.mixture import MixtureSettings, World
from stages.ingest.world.people import PeopleSettings, draw_people, group_films
from stages.ingest.world.posters import HEIGHT, WIDTH, draw_poster
from stages.ingest.world.truth import reasons

_SHARD = 200  # posters a frame


class Settings(Record):
    """The made world."""

    films: int = Field(ge=1, description="number of films")
    people: int = Field(ge=1, description="number of people")
    months: int = Field(ge=1, le=1200, description="months over which they act")
    film: FilmSettings = Field(description="what films are like")
    person: PeopleSettings = Field(description="what people are like")
    sessions: SessionSettings = Field(description="when people act")
    mixture: MixtureSettings = Field(description="why people act")
    words: DomainWords = Field(DomainWords(), description="what things are called where people read of them")
    crawl: dict[str, Any] = Field(description="what the crawl stage fetches; not read here")

    @model_validator(mode="after")
    def _enough(self) -> "Settings":
        if self.films <= self.person.acts[1]:
            raise ValueError(
                f"films: {self.films} are too few for people who see up to {self.person.acts[1]} and none twice; "
                "more films or a lower person.acts would do"
            )
        return self


def files(settings: Settings) -> list[Path]:
    """None: the world is made."""
    return []


def read(settings: Settings, seed: int) -> SourceTables:
    """The world of `seed`, the same bytes each time: final tables, with the truth and the oracle's ranks."""
    film_rng, people_rng, act_rng, poster_rng = (np.random.default_rng([seed, stream]) for stream in range(4))
    made = draw_films(settings.films, settings.film, film_rng)
    found = draw_people(settings.people, settings.person, people_rng)
    kinds = group_films(made)
    when = draw_calendar(found.acts_U, round(settings.months * 365.25 / 12 / 7), settings.sessions, people_rng)
    chances = settings.mixture.draw_causes(settings.people, people_rng)
    world = World(kinds, found, made.fame_F, settings.person.main, settings.mixture, chances)
    done = draw_acts(world, when, act_rng)
    user, position = np.nonzero(np.arange(when.minute_UN.shape[1]) < found.acts_U[:, None])
    item, later = done.film_UN[user, position] + 1, position > 0
    time = START + when.minute_UN[user, position].astype("timedelta64[m]")
    ranks = {name: getattr(done, f"{name}_UN")[user, position][later] for name in ("greater", "ties", "others")}
    why = reasons(made, found, done)
    people_names = [f"person-{number:04d}" for number in range(1, settings.people + 1)]
    return SourceTables(
        events=_frame(EVENTS, user=user + 1, item=item, rating=[None] * len(item), time=time),
        users=_frame(USERS, user=np.arange(settings.people) + 1, raw=people_names),
        items=_items(made),
        catalog=_catalog(made),
        images=_posters(made, poster_rng),
        truth=_frame(TRUTH, user=user + 1, position=position, item=item, **why),
        oracle=_frame(ORACLE, user=user[later] + 1, position=position[later], **ranks),
        coded=True,
    )


def _frame(table: Table, **columns: Any) -> pl.DataFrame:
    series = [pl.Series(name, columns[name]) for name in table.columns]
    zoned = [column.dt.replace_time_zone("UTC") if column.name == "time" else column for column in series]
    return pl.DataFrame([column.cast(table.columns[column.name]) for column in zoned])


def _items(made: Films) -> pl.DataFrame:
    names, count = list(lexicon().genres), len(made.titles)
    return _frame(
        ITEMS,
        item=np.arange(count) + 1,
        raw=[f"film-{number:04d}" for number in range(1, count + 1)],
        title=made.titles,
        categories=[[[names[genre]]] for genre in made.genre_F],
        ids=[[]] * count,
    )


def _catalog(made: Films) -> pl.DataFrame:
    count = len(made.titles)
    return _frame(
        CATALOG,
        item=np.arange(count) + 1,
        title=made.titles,
        text=made.plots,
        status=["ok"] * count,
        picture=["ok"] * count,
        source=["demo"] * count,
    )


def _posters(made: Films, rng: np.random.Generator) -> Iterator[pl.DataFrame]:
    for begin in range(0, len(made.titles), _SHARD):
        rows = range(begin, min(begin + _SHARD, len(made.titles)))
        drawn = [draw_poster(made.titles[row], made.palettes[row], made.objects[row], rng) for row in rows]
        yield _frame(
            IMAGES,
            item=[row + 1 for row in rows],
            image=drawn,
            format=["JPEG"] * len(drawn),
            width=[WIDTH] * len(drawn),
            height=[HEIGHT] * len(drawn),
            sha256=[hashlib.sha256(data).hexdigest() for data in drawn],
        )
