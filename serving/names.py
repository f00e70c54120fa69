"""Raw ids and titles outside, codes inside: found by name, or refused with the nearest ones."""

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property

import polars as pl

from engine.tables import store
from engine.tables.layout import Layout
from engine.tables.schemas import ITEMS, USERS
from serving.answers import Item
from serving.history import Refused

NEAR = 5
YEAR = re.compile(r"\s*\(\d{4}\)$")


class Names:
    """People and items of a data set."""

    def __init__(self, layout: Layout):
        self._users = store.read(layout.users, USERS)
        self._items = store.read(layout.items, ITEMS, ["item", "raw", "title"])

    @property
    def item_count(self) -> int:
        """How many items there are."""
        return self._items.height

    @property
    def people_count(self) -> int:
        """How many people there are."""
        return self._users.height

    @cached_property
    def _by_code(self) -> dict[int, Item]:
        rows = self._items.select("item", "raw", pl.coalesce("title", "raw").alias("title")).iter_rows()
        return {code: Item(raw, title) for code, raw, title in rows}

    @cached_property
    def _code(self) -> dict[str, int]:
        return {item.item: code for code, item in self._by_code.items()}

    @cached_property
    def _by_title(self) -> dict[str, list[int]]:
        """Codes by title, and by title without a year at its end."""
        found: dict[str, list[int]] = defaultdict(list)
        for code, item in self._by_code.items():
            for title in dict.fromkeys([item.title.casefold(), YEAR.sub("", item.title).casefold()]):
                found[title].append(code)
        return dict(found)

    @cached_property
    def _people(self) -> dict[str, int]:
        return dict(self._users.select("raw", "user").iter_rows())

    def item(self, code: int) -> Item:
        """The item of a code."""
        return self._by_code[code]

    def person(self, code: int) -> str:
        """The raw id of a person's code."""
        return str(self._users["raw"][code - 1])

    def person_code(self, raw: str) -> int:
        """The code of a person.

        Raises:
            Refused: nobody is called so; names the nearest.
        """
        if raw not in self._people:
            near = _near(raw, self._people, 0.6)
            raise Refused(f"nobody is called {raw!r}{_meant(near) or f' among {self.people_count:,} people'}", near)
        return self._people[raw]

    def people(self, text: str, limit: int) -> tuple[str, ...]:
        """Raw ids of people that begin with a text, in the order of the data."""
        return tuple(self._users.filter(pl.col("raw").str.starts_with(text)).head(limit)["raw"].to_list())

    def code(self, name: str) -> int:
        """The code of an item by its raw id, or by its title with or without the year at its end.

        Raises:
            Refused: nothing is called so, and names the nearest titles; or several are, and names them.
        """
        for written in (name, name.strip()):
            if written in self._code:
                return self._code[written]
        name = name.strip()
        found = self._by_title.get(name.casefold(), [])
        if len(found) == 1:
            return found[0]
        if found:
            raise Refused(f"{name!r} is the title of {len(found)} items: {self._listed(found)}; name one by its id")
        titles = difflib.get_close_matches(name.casefold(), self._by_title, NEAR, 0.5)
        named = [self._by_code[self._by_title[title][0]].title for title in titles]
        near = tuple(dict.fromkeys([*_near(name, self._code, 0.8), *named]))[:NEAR]
        raise Refused(f"no item is called {name!r}{_meant(near) or f' among {self.item_count:,} items'}", near)

    def search(self, text: str, limit: int) -> tuple[Item, ...]:
        """Items whose titles hold all words of a text: those that begin with it first, then the shortest; where there
        are none, those that are written nearest to it.
        """
        words = text.casefold().split()
        if not words:
            return ()
        held = [(title, codes) for title, codes in self._by_title.items() if all(word in title for word in words)]
        held.sort(key=lambda one: (not one[0].startswith(" ".join(words)), len(one[0]), one[0]))
        if not held:
            near = difflib.get_close_matches(" ".join(words), self._by_title, limit, 0.5)
            held = [(title, self._by_title[title]) for title in near]
        codes = dict.fromkeys(code for _, found in held for code in found)
        return tuple(self._by_code[code] for code in list(codes)[:limit])

    def _listed(self, codes: Iterable[int]) -> str:
        shown = [f"{self._by_code[code].title} ({self._by_code[code].item})" for code in codes]
        return ", ".join(shown[:NEAR]) + (" …" if len(shown) > NEAR else "")


def _near(name: str, known: Iterable[str], least: float) -> tuple[str, ...]:
    """The names that are written nearest to one, in any case; of those that differ in case alone the nearest first."""
    cased: dict[str, list[str]] = defaultdict(list)
    for one in known:
        cased[one.casefold()].append(one)
    near = difflib.get_close_matches(name.casefold(), cased, NEAR, least)
    alike = [one for key in near for one in sorted(cased[key], key=lambda one: -_same(one, name))]
    return tuple(alike[:NEAR])


def _same(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()


def _meant(near: tuple[str, ...]) -> str:
    return f"; nearest are {', '.join(near)}" if near else ""
