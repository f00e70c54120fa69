"""What people of the demo's world like, and which films are of which theme, genre and look."""

from dataclasses import dataclass

import numpy as np
from pydantic import Field, model_validator

from engine.tables.settings import Record
from stages.ingest.world.films import Films
from stages.ingest.world.lexicon import lexicon


class PeopleSettings(Record):
    """How people differ."""

    acts: tuple[int, int] = Field(description="least and most acts of a person")
    shape: tuple[float, float] = Field(description="the two parameters of the beta distribution of acts between these")
    main: float = Field(ge=0, le=1, description="share of the first of a person's two lasting themes")

    @model_validator(mode="after")
    def _possible(self) -> "PeopleSettings":
        if not 1 <= self.acts[0] <= self.acts[1]:
            raise ValueError(f"acts: {list(self.acts)}; the least first, from 1 on")
        if min(self.shape) <= 0:
            raise ValueError(f"shape: {list(self.shape)}; both parameters of a beta distribution are above 0")
        return self


@dataclass(frozen=True)
class Groups:
    """The weight of each film in each theme and look, each row summing to 1."""

    theme_KF: np.ndarray
    look_OF: np.ndarray


@dataclass(frozen=True)
class People:
    """acts_U counts; lasting_U2 and household_U: themes; look_U: the first visual taste."""

    acts_U: np.ndarray
    lasting_U2: np.ndarray
    household_U: np.ndarray
    look_U: np.ndarray


def normalise_rows(weight: np.ndarray) -> np.ndarray:
    """Each row over its sum; a row of zeros stays."""
    total = weight.sum(axis=1, keepdims=True)
    found: np.ndarray = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)
    return found


def group_films(films: Films) -> Groups:
    """A film with a story is of its first theme, a striking one of its look."""
    world, rows = lexicon(), np.arange(len(films.fame_F))
    theme_KF, look_OF = np.zeros((len(world.themes), len(rows))), np.zeros((len(world.looks()), len(rows)))
    theme_KF[films.theme_F2[:, 0], rows] = films.fame_F * (films.look_F < 0)
    look_OF[films.look_F.clip(min=0), rows] = films.fame_F * (films.look_F >= 0)
    return Groups(normalise_rows(theme_KF), normalise_rows(look_OF))


def draw_people(count: int, settings: PeopleSettings, rng: np.random.Generator) -> People:
    """Draw people."""
    world = lexicon()
    themes = len(world.themes)
    least, most = settings.acts
    acts_U = least + np.rint((most - least) * rng.beta(*settings.shape, count)).astype(int)
    main_U = rng.integers(themes, size=count)
    side_U = (main_U + rng.integers(1, themes, count)) % themes
    return People(
        acts_U,
        np.stack([main_U, side_U], axis=1),
        rng.integers(themes, size=count),
        rng.integers(len(world.looks()), size=count),
    )
