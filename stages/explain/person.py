"""Tables to a person's section of the page: the events that weigh most, and the recommendations."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from stages.explain.display_text import LABEL, TITLE, shortened
from stages.explain.explained_cases import ExplainedCase
from stages.explain.item_cards import ItemContents, Reason, Reasons, Whole, group_reasons, item_card
from stages.explain.page import HistoryEvent, Person
from stages.explain.topic_trends import topic_trends, windows_before

DRAWN = frozenset({"history", "word", "region", "word_region", "topic", "view"})
DETAILED = 3  # events of the history whose own words and regions are shown

Past = Sequence[tuple[int, datetime | None]]  # item and time, in the order of time


@dataclass(frozen=True)
class PageTables:
    """What the sections are made of beside the reasons: items, events by user, topics by window, known causes."""

    contents: ItemContents
    events: pl.DataFrame
    names: dict[int, str]
    topics: dict[int, str]
    trends: pl.DataFrame
    window: str
    truth: pl.DataFrame


def heaviest_events(past: Past, reason: Reason | None, count: int) -> list[tuple[int, int, float | None]]:
    """The `count` heaviest events in order (the last ones where nothing weighs): position, item, weight.

    Raises:
        ValueError: a reason weighs an event that is not in the history.
    """
    weights = reason.weights if reason else {}
    beyond = [position for position in weights if position >= len(past)]
    if beyond:
        raise ValueError(f"a reason weighs event {beyond[0]} of a history of {len(past)}")
    order = sorted(range(len(past)), key=lambda n: (n in weights, abs(weights.get(n, 0.0)), n))
    return [(n, past[n][0], weights.get(n)) for n in sorted(order[-count:])]


def time_label(time: datetime | None, place: int) -> str:
    """When something was done, or which act it was where the data has no times."""
    return f"act {place + 1}" if time is None else time.strftime("%a %d %b %Y, %H:%M")


def display_name(name: str) -> str:
    """A bare number is no name."""
    return f"person {name}" if name.isdigit() else name


def history_events(contents: ItemContents, past: Past, reasons: Reasons, count: int) -> list[HistoryEvent]:
    """The events that are shown, with bars."""
    shown = heaviest_events(past, reasons.get(Whole("history")), count)
    most = max((abs(weight) for _, _, weight in shown if weight is not None), default=0.0) or 1.0
    return [
        HistoryEvent(
            item_card(contents, item, reasons, n), time_label(past[n][1], n), weight, 100 * abs(weight or 0.0) / most
        )
        for n, item, weight in shown
    ]


def heaviest_with_contents(events: list[HistoryEvent]) -> list[HistoryEvent]:
    """The heaviest events whose words or regions were weighed, the heaviest first; of equals the last."""
    inside = [e for e in events[::-1] if e.card.words_used is not None or e.card.regions_used is not None]
    ordered = sorted(inside, key=lambda event: -abs(event.weight or 0.0))
    return [event for event in ordered if event.weight is None or event.weight != 0][:DETAILED]


def mean_views(events: list[HistoryEvent]) -> list[tuple[str, float]]:
    """The mean share of each view over the shown events, weighted by the events' own weights."""
    weighed = [(event, 1.0 if event.weight is None else abs(event.weight)) for event in events if event.card.views]
    total = sum(weight for _, weight in weighed) or 1.0
    mean: dict[str, float] = {}
    for event, weight in weighed:
        for name, share in event.card.views:
            mean[name] = mean.get(name, 0.0) + share * weight / total
    return list(mean.items())


def person_section(tables: PageTables, case: ExplainedCase, rows: pl.DataFrame, shown: int, lines: int) -> Person:
    """One person's section, of `shown` events and `lines` topics; `rows` are the person's of the REASONS table."""
    reasons, contents = group_reasons(rows), tables.contents
    own = tables.events.filter(pl.col("user") == case.user).sort("position")
    past: Past = list(own.filter(pl.col("position") < case.position).select("item", "time").iter_rows())
    until = own.filter(pl.col("position") == case.position)["time"].item()
    events, topic_shares = history_events(contents, past, reasons, shown), reasons.get(Whole("topic"))
    windows = windows_before(tables.trends.filter(pl.col("user") == case.user), until, tables.window)
    topics, chart = topic_trends(windows, tables.topics, topic_shares.weights if topic_shares else {}, lines)
    over_history = reasons.get(Whole("history"))
    truth = tables.truth.filter((pl.col("user") == case.user) & (pl.col("position") == case.position))
    cards = [(item_card(contents, item, reasons), score) for item, score in case.recommended]
    return Person(
        name=shortened(display_name(tables.names[case.user]), LABEL),
        events=len(past),
        when=time_label(past[-1][1], len(past) - 1) if past else "",
        history=events,
        history_used=over_history.faithful if over_history else None,
        recommended=cards,
        detailed=heaviest_with_contents(events),
        topics=topics,
        topics_used=topic_shares.faithful if topic_shares else None,
        chart=chart,
        views=mean_views(events),
        target=item_card(contents, case.target, {}),
        rank=case.rank,
        rivals=case.rivals,
        frozen=case.frozen,
        hit=case.target in [item for item, _ in case.recommended],
        truth=_truth(truth, contents) if truth.height else None,
        more=sorted({whole.over for whole in reasons} - DRAWN),
    )


def _truth(row: pl.DataFrame, contents: ItemContents) -> dict[str, Any]:
    """The true cause of the next act, with the titles of the earlier acts that led to it."""
    cause: dict[str, Any] = row.row(0, named=True)
    titles = [shortened(contents.titles.get(item) or f"item {item}", TITLE) for item in cause["earlier"] or []]
    return cause | {"earlier_titles": titles}
