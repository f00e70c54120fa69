"""Films of the demo's world: genre, two themes, a palette, objects at known boxes, how well known, title and plot."""

from dataclasses import dataclass

import numpy as np

from engine.params import Record
from stages.ingest.world.lexicon import lexicon
from stages.ingest.world.plots import bag, plot, title

Box = tuple[float, float, float, float]
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


class FilmSettings(Record):
    """`second` and `minor`: the weight of a film's second theme and of a poster's lesser objects, the first's being 1.

    `fame`: the standard deviation of the log of a film's weight. `own`: the chance that an object is of the film's
    own genre rather than any. `sentences` and `objects`: the least and the most of each kind.
    """

    second: float
    minor: float
    fame: float
    own: float
    sentences: dict[str, tuple[int, int]]
    objects: tuple[int, int]


@dataclass(frozen=True)
class Films:
    """Row f is film f + 1. theme_F2: first and second; objects: names to boxes, the main one first."""

    genre_F: np.ndarray
    theme_F2: np.ndarray
    palette_F: np.ndarray
    fame_F: np.ndarray
    objects: list[dict[str, Box]]
    titles: list[str]
    plots: list[str]


def balanced(count: int, kinds: int, rng: np.random.Generator) -> np.ndarray:
    """`count` draws among `kinds`, all as frequent as can be."""
    return rng.permutation(np.arange(count) % kinds)


def films(count: int, settings: FilmSettings, rng: np.random.Generator) -> Films:
    """Draw the films."""
    world = lexicon()
    themes, genres, palettes = list(world.themes), list(world.genres), list(world.palettes)
    first_F = balanced(count, len(themes), rng)
    theme_F2 = np.stack([first_F, (first_F + rng.integers(1, len(themes), count)) % len(themes)], axis=1)
    genre_F = balanced(count, len(genres), rng)
    titles: list[str] = []
    plots: list[str] = []
    taken: set[str] = set()
    for genre, (first, second) in zip(genre_F, theme_F2, strict=True):
        words = bag(genres[genre], themes[first], themes[second], rng)
        titles.append(title(words, taken, rng))
        plots.append(plot(words, settings.sentences, rng))
    return Films(
        genre_F, theme_F2, balanced(count, len(palettes), rng), np.exp(rng.normal(0, settings.fame, count)),
        [_objects(genres[genre], settings, rng) for genre in genre_F], titles, plots,
    )


def _objects(genre: str, settings: FilmSettings, rng: np.random.Generator) -> dict[str, Box]:
    """Objects without repeats: a large one, and lesser ones in the places that it leaves."""
    world = lexicon()
    every, own = world.objects(), world.genres[genre].objects
    count = int(rng.integers(settings.objects[0], settings.objects[1] + 1))
    names: list[str] = []
    while len(names) < count:
        name = str(rng.choice(own if rng.random() < settings.own else every))
        if name not in names:
            names.append(name)
    # the picture above its caption: a large object low with small ones above, or the other way round
    high = bool(rng.random() < 0.5)
    boxes = [_placed(0.5, 0.27 if high else 0.54, 0.62, 0.12, rng)]
    boxes += [_placed(x, 0.68 if high else 0.14, 0.26, 0.02, rng) for x in rng.permutation([0.18, 0.5, 0.82])]
    return dict(zip(names, boxes, strict=False))


def _placed(x: float, y: float, width: float, stray: float, rng: np.random.Generator) -> Box:
    """A box as high as wide on a poster of 2 by 3, its middle at (x, y) or up to `stray` beside."""
    x, height = x + rng.uniform(-stray, stray), width * 2 / 3
    left, top, right, bottom = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    return round(left, 4), round(top, 4), round(right, 4), round(bottom, 4)
