"""The words and shapes that the demo's world is made of, as they stand in the YAML files beside this module."""

from functools import cache
from pathlib import Path
from typing import Any

from engine.tables.params import read_yaml
from engine.tables.settings import Record

Palette = tuple[str, str, str]


class Theme(Record):
    """The words of a theme: people and things are countable nouns, verbs take a thing."""

    people: list[str]
    things: list[str]
    places: list[str]
    verbs: list[str]

    def words(self) -> frozenset[str]:
        """Every word of the theme."""
        return frozenset([*self.people, *self.things, *self.places, *self.verbs])


class Genre(Record):
    """The words of a genre, and the objects that its posters like to show."""

    adjectives: list[str]
    people: list[str]
    things: list[str]
    objects: list[str]

    def words(self) -> frozenset[str]:
        """Every word of the genre; an object is none, posters alone tell it."""
        return frozenset([*self.adjectives, *self.people, *self.things])


class Everyday(Record):
    """Words that any plot may use."""

    names: list[str]
    people: list[str]
    things: list[str]
    places: list[str]
    times: list[str]


class Lexicon(Record):
    """Words, sentences by their place in a plot, titles, palettes (dark, middle, light), what posters are loved for."""

    themes: dict[str, Theme]
    genres: dict[str, Genre]
    everyday: Everyday
    openings: list[str]
    first: list[str]
    second: list[str]
    colour: list[str]
    closings: list[str]
    titles: list[str]
    large: list[str]
    vivid: dict[str, Palette]
    palettes: dict[str, Palette]

    def looks(self) -> list[str]:
        """What a visual taste can be for: large objects, then vivid palettes."""
        return [*self.large, *self.vivid]

    def objects(self) -> list[str]:
        """Every drawn object, genre by genre."""
        return [name for genre in self.genres.values() for name in genre.objects]


@cache
def lexicon() -> Lexicon:
    """The lexicon beside this module."""
    return Lexicon.model_validate(read_yaml(Path(__file__).with_name("lexicon.yaml")))


@cache
def shapes() -> dict[str, list[list[Any]]]:
    """Each object's primitives."""
    return read_yaml(Path(__file__).with_name("shapes.yaml"))
