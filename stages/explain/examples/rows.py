"""Cells and cases to the rows of an example: each act with its weights in every cell."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from engine.tables import store
from engine.tables.layout import Layout
from engine.tables.schemas import SPLIT, USERS
from stages.explain.display_tables import titles
from stages.explain.examples.answers import Answers, Stand
from stages.explain.examples.cells import Cell
from stages.explain.examples.settings import Example

Key = tuple[str, str]  # series, name of the weight


@dataclass(frozen=True)
class Act:
    """An act, its place from 0, when it was and what on (of others: whose), with what each cell gives it."""

    place: int
    when: datetime | None
    name: str
    rating: float | None
    weights: dict[Key, float]


@dataclass(frozen=True)
class Told:
    """What is told of one item: `acts` of the person and `others` on the item, in the order of time."""

    person: str
    item: int
    title: str
    stands: dict[str, Stand]
    acts: list[Act]
    others: list[Act]


def told_of(example: Example, cells: dict[str, Cell], cases: pl.DataFrame, device: str) -> Iterator[list[Told]]:
    """What is told of each case's person, an item after the other; all cells are asked about the first one's items.

    Raises:
        ValueError: a cell's model has no such weights; names those that it has.
    """
    answers: dict[str, Answers] = {}
    for series, cell in cells.items():
        item_BK = next(iter(answers.values())).item_BK if answers else None
        answers[series] = Answers.of(cell, example, cases, item_BK, device)
        answers[series].refuse_unknown(example.series[series], cell)
    tables = _Tables.read(next(iter(cells.values())).layout)
    first = next(iter(answers.values()))
    for row, (user, position) in enumerate(cases.select("user", "position").iter_rows()):
        told = []
        for k, item in enumerate(first.item_BK[row].tolist()):
            if item:
                mine, its = _weights(example, answers, user, k)
                stands = {series: one.stands[k][row] for series, one in answers.items()}
                acts, others = tables.acts(user, mine), tables.others(item, (user, position), its)
                told.append(Told(tables.people[user], item, tables.title(item), stands, acts, others))
        yield told


Weights = dict[int, dict[Key, float]]  # by the act's place


def _weights(example: Example, answers: dict[str, Answers], user: int, k: int) -> tuple[Weights, Weights]:
    """Of the person's acts by position; of others' from the last (-1), as one cell may read more of them."""
    mine: Weights = {}
    its: Weights = {}
    for series, shown in example.series.items():
        for name, weight in shown.weights.items():
            for place, value in answers[series].of_acts(user, k, weight).items():
                mine.setdefault(place, {})[series, name] = value
            for place, value in enumerate(reversed(answers[series].of_others(user, k, weight)), 1):
                its.setdefault(-place, {})[series, name] = value
    return mine, its


@dataclass(frozen=True)
class _Tables:
    """What acts are called and when they were."""

    split: pl.DataFrame
    people: dict[int, str]
    titles: dict[int, str | None]

    @staticmethod
    def read(layout: Layout) -> "_Tables":
        people = dict(store.read(layout.users, USERS).iter_rows())
        return _Tables(store.read(layout.split, SPLIT), people, dict(titles(layout).iter_rows()))

    def title(self, item: int) -> str:
        return self.titles.get(item) or f"item {item} (no title)"

    def acts(self, user: int, weights: Weights) -> list[Act]:
        own = self.split.filter(pl.col("user") == user).sort("position")
        return [_act(own, place, weights[place], self.title(own["item"][place])) for place in sorted(weights)]

    def others(self, item: int, case: tuple[int, int], weights: Weights) -> list[Act]:
        """The training acts on an item before a case's moment, in the order in which models read them."""
        if not weights:
            return []
        user, position = case
        moment = self.split.filter((pl.col("user") == user) & (pl.col("position") == position))["time"].item()
        second = pl.col("time").dt.epoch("s")
        before = (pl.col("part") == "train") & (pl.col("item") == item) & (second < int(moment.timestamp()))
        found = self.split.filter(before).sort(second, maintain_order=True)
        return [_act(found, place, weights[place], self.people[found["user"][place]]) for place in sorted(weights)]


def _act(events: pl.DataFrame, place: int, weights: dict[Key, float], name: str) -> Act:
    """The event at a place from the first, or (below 0) from the last."""
    return Act(place % events.height, events["time"][place], name, events["rating"][place], weights)
