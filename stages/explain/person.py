"""Tables to a person's article: the acts that weigh most, the recommendations with what was weighed inside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from stages.explain.explained_cases import Case
from stages.explain.item_cards import Book, Reason, film, grouped
from stages.explain.page import Act, Person
from stages.explain.topic_trends import before, trends

DRAWN = frozenset({"history", "word", "region", "word_region", "topic", "view"})
CLOSE = 3  # acts of the history whose own words and regions are shown

Done = Sequence[tuple[int, datetime | None]]


@dataclass(frozen=True)
class Sources:
    """What the articles are made of beside the reasons: items, events by user, topics by window, the truth."""

    book: Book
    events: pl.DataFrame
    names: dict[int, str]
    topics: dict[int, str]
    trends: pl.DataFrame
    window: str
    truth: pl.DataFrame


def acts(
    done: Sequence[tuple[int, datetime | None]], reason: Reason | None, shown: int
) -> list[tuple[int, int, float | None]]:
    """The `shown` heaviest of what was done, in order (the last ones where nothing weighs): place, item, weight."""
    weights: list[float | None] = [None] * len(done)
    at = len(done)
    for part, _, weight in reversed(reason.parts if reason else []):
        at = next((n for n in range(at - 1, -1, -1) if done[n][0] == part), -1)
        if at < 0:
            raise ValueError(f"a reason weighs item {part}, which is not in the history in that order")
        weights[at] = weight
    order = sorted(range(len(done)), key=lambda n: (weights[n] is not None, abs(weights[n] or 0.0), n))
    return [(n, done[n][0], weights[n]) for n in sorted(order[-shown:])]


def moment(time: datetime | None, place: int) -> str:
    """When something was done, or which act it was where the data has no times."""
    return f"act {place + 1}" if time is None else time.strftime("%a %d %b %Y, %H:%M")


def called(name: str) -> str:
    """A bare number is no name."""
    return f"person {name}" if name.isdigit() else name


def history(
    book: Book,
    done: Sequence[tuple[int, datetime | None]],
    of: dict[tuple[int, str, int], Reason],
    shown: int,
) -> list[Act]:
    """The acts that are shown, with bars."""
    chosen = acts(done, of.get((1, "history", 0)), shown)
    most = max((abs(weight) for _, _, weight in chosen if weight is not None), default=0.0) or 1.0
    return [
        Act(film(book, item, of), moment(done[n][1], n), weight, 100 * abs(weight or 0.0) / most)
        for n, item, weight in chosen
    ]


def closest(acts: list[Act]) -> list[Act]:
    """The heaviest acts whose words or regions were weighed, the heaviest first; of equals the last."""
    inside = [act for act in acts[::-1] if act.film.words_used is not None or act.film.regions_used is not None]
    ordered = sorted(inside, key=lambda act: -abs(act.weight or 0.0))
    return [act for act in ordered if act.weight is None or act.weight != 0][:CLOSE]


def mean_views(acts: list[Act]) -> list[tuple[str, float]]:
    """The views' shares over the shown acts, weighed as the acts are."""
    told = [act for act in acts if act.film.views]
    total = sum(abs(act.weight) if act.weight is not None else 1.0 for act in told)
    found: dict[str, float] = {}
    for act in told:
        weight = abs(act.weight) if act.weight is not None else 1.0
        for name, share in act.film.views:
            found[name] = found.get(name, 0.0) + share * weight / (total or 1.0)
    return list(found.items())


def person(sources: Sources, case: Case, reasons: pl.DataFrame, shown: int, lines: int) -> Person:
    """One person's article; `reasons` are the person's rows of the REASONS table."""
    of, book = grouped(reasons), sources.book
    own = sources.events.filter(pl.col("user") == case.user).sort("position")
    done: Done = list(own.filter(pl.col("position") < case.position).select("item", "time").iter_rows())
    until = own.filter(pl.col("position") == case.position)["time"].item()
    told, share = history(book, done, of, shown), of.get((1, "topic", 0))
    windows = before(sources.trends.filter(pl.col("user") == case.user), until, sources.window)
    topics, chart = trends(windows, sources.topics, share.weights if share else {}, lines)
    weighed = of.get((1, "history", 0))
    truth = sources.truth.filter((pl.col("user") == case.user) & (pl.col("position") == case.position))
    films = [(film(book, item, of), score) for item, score in case.best]
    return Person(
        name=called(sources.names[case.user]),
        acts=len(done),
        when=moment(done[-1][1], len(done) - 1) if done else "",
        history=told,
        history_used=weighed.faithful if weighed else None,
        first=films[0][0] if films else None,
        others=films,
        close=closest(told),
        topics=topics,
        topics_used=share.faithful if share else None,
        chart=chart,
        views=mean_views(told),
        target=film(book, case.target, {}),
        place=case.place,
        rivals=case.rivals,
        frozen=case.frozen,
        hit=case.target in [item for item, _ in case.best],
        truth=_truth(truth, book) if truth.height else None,
        more=sorted({over for _, over, _ in of} - DRAWN),
    )


def _truth(row: pl.DataFrame, book: Book) -> dict[str, Any]:
    """The true cause of the next act, with the titles of the earlier acts that led to it."""
    told: dict[str, Any] = row.row(0, named=True)
    titles = [book.titles.get(item) or f"item {item}" for item in told["earlier"] or []]
    return told | {"earlier_titles": titles}
