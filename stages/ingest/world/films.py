"""Films of the demo's world: genre, two themes, a palette, objects at known boxes, how well known, title and plot."""

from dataclasses import dataclass

import numpy as np
from pydantic import Field, model_validator

from engine.tables.settings import Record
from stages.ingest.world.lexicon import lexicon
from stages.ingest.world.plots import film_words, write_plot, write_title

Box = tuple[float, float, float, float]
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
PLACES = 4  # on a poster
KINDS = ("first", "second", "colour")  # of sentences


class FilmSettings(Record):
    """What films are like."""

    striking: float = Field(ge=0, le=1, description="share of films seen for their poster; all others for their story")
    fame: float = Field(ge=0, description="standard deviation of the log of a film's weight")
    own: float = Field(ge=0, le=1, description="chance that an object is of the film's own genre rather than of any")
    sentences: dict[str, tuple[int, int]] = Field(
        description="least and most sentences of a plot by kind: first, second, colour"
    )
    objects: tuple[int, int] = Field(description="least and most objects on a poster")

    @model_validator(mode="after")
    def _possible(self) -> "FilmSettings":
        world, (least, most) = lexicon(), self.objects
        if not 0 <= least <= most <= PLACES:
            raise ValueError(
                f"objects: {[least, most]}; the least first, and at most {PLACES} have a place on a poster"
            )
        own = min(len(genre.objects) for genre in world.genres.values())
        if self.own == 1 and most > own:
            raise ValueError(
                f"own: 1 leaves {own} objects for a poster of up to {most}; a lower own or objects would do"
            )
        for kind, (few, many) in self.sentences.items():
            known = len(getattr(world, kind)) if kind in KINDS else 0
            if not 0 <= few <= many <= known:
                raise ValueError(
                    f"sentences.{kind}: {[few, many]}; the least first, and of {kind} there are {known}; the kinds are "
                    f"{', '.join(KINDS)}"
                )
        return self


@dataclass(frozen=True)
class Films:
    """Row f is film f + 1. look_F: a place in the lexicon's looks, or -1 for a film with a story.

    theme_F2: first and second; objects: names to boxes, a large one first.
    """

    look_F: np.ndarray
    genre_F: np.ndarray
    theme_F2: np.ndarray
    fame_F: np.ndarray
    palettes: list[str]
    objects: list[dict[str, Box]]
    titles: list[str]
    plots: list[str]


def draw_balanced(among_F: np.ndarray, kinds: int, rng: np.random.Generator) -> np.ndarray:
    """A draw among `kinds` for each film, all as frequent as can be within those True and those False in `among_F`."""
    drawn_F = np.zeros(len(among_F), dtype=int)
    for side_F in (among_F, ~among_F):
        drawn_F[side_F] = rng.permutation(np.arange(side_F.sum()) % kinds)
    return drawn_F


def draw_films(count: int, settings: FilmSettings, rng: np.random.Generator) -> Films:
    """Draw the films."""
    world = lexicon()
    themes, genres, looks, plain = list(world.themes), list(world.genres), world.looks(), list(world.palettes)
    striking_F = rng.permutation(np.arange(count) < round(settings.striking * count))
    look_F = np.where(striking_F, draw_balanced(striking_F, len(looks), rng), -1)
    first_F = draw_balanced(striking_F, len(themes), rng)
    theme_F2 = np.stack([first_F, (first_F + rng.integers(1, len(themes), count)) % len(themes)], axis=1)
    genre_F, palette_F = draw_balanced(striking_F, len(genres), rng), draw_balanced(striking_F, len(plain), rng)
    made = Films(look_F, genre_F, theme_F2, np.exp(rng.normal(0, settings.fame, count)), [], [], [], [])
    taken: set[str] = set()
    for place, look in enumerate(look_F):
        genre, loved = genres[genre_F[place]], looks[look] if look >= 0 else ""
        first, second = (themes[theme] for theme in theme_F2[place])
        words = film_words(genre, first, second, rng)
        made.titles.append(write_title(words, taken, rng))
        made.plots.append(write_plot(words, settings.sentences, rng))
        made.palettes.append(loved if loved in world.vivid else plain[palette_F[place]])
        made.objects.append(_draw_objects(loved if loved in world.large else "", genre, settings, rng))
    return made


def _draw_objects(main: str, genre: str, settings: FilmSettings, rng: np.random.Generator) -> dict[str, Box]:
    """Objects without repeats at boxes that do not overlap: a large main one with small ones, or none larger."""
    world = lexicon()
    every, own = world.objects(), world.genres[genre].objects
    names = [main] if main else []
    count = int(rng.integers(settings.objects[0], settings.objects[1] + 1))
    while len(names) < count:
        name = str(rng.choice(own if rng.random() < settings.own else every))
        if name not in names:
            names.append(name)
    if main:  # above the caption: the main one low with small ones above, or the other way round
        high = bool(rng.random() < 0.5)
        boxes = [_box(0.5, 0.27 if high else 0.54, 0.62, 0.12, rng)]
        boxes += [_box(x, 0.68 if high else 0.14, 0.26, 0.02, rng) for x in rng.permutation([0.18, 0.5, 0.82])]
    else:
        corners = rng.permutation([(x, y) for x in (0.27, 0.73) for y in (0.22, 0.6)])
        boxes = [_box(x, y, 0.36, 0.05, rng) for x, y in corners]
    return dict(zip(names, boxes, strict=False))


def _box(x: float, y: float, width: float, stray: float, rng: np.random.Generator) -> Box:
    """A box as high as wide on a poster of 2 by 3, its middle at (x, y) or up to `stray` beside."""
    x, height = x + rng.uniform(-stray, stray), width * 2 / 3
    left, top, right, bottom = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    return round(left, 4), round(top, 4), round(right, 4), round(bottom, 4)
