"""Tables to a person's section of the page: the acts that weigh most, the recommendations and what led to each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from engine.tables.domain_words import DomainWords
from stages.explain.checked_acts import Checked
from stages.explain.display_text import LABEL, TITLE, shortened
from stages.explain.explained_cases import ExplainedCase
from stages.explain.history import HISTORY, Past, detailed, history_views, time_label, weighed_events
from stages.explain.item_cards import ItemContents, item_card
from stages.explain.page_contents import OtherWeights, Person, Recommended
from stages.explain.topic_trends import topic_trends, windows_before
from stages.explain.weighed import Reading, Reason, Reasons, Whole, group_reasons

INSIDE = frozenset({"word", "region", "word_region", "view"})
HEAVIEST = 6  # of what else is weighed

CheckedOf = Mapping[tuple[int, int], Checked]  # by user and rank


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
    words: DomainWords


def display_name(name: str) -> str:
    """A bare number is no name."""
    return f"person {name}" if name.isdigit() else name


def other_weights(reasons: Reasons, names: dict[int, str], words: DomainWords) -> list[OtherWeights]:
    """What is weighed beside the history, insides of items and topics' shares, the heaviest of each."""
    called = {
        "item_history": f"Others who {words.act} it before",
        "item_gate": f"Gates of others who {words.act} it",
        "category": "Categories",
        "topic": "Topics",
    }
    found = []
    for whole, reason in summed_over_acts(reasons):
        if whole.over in INSIDE | set(HISTORY) or (whole.over == "topic" and reason.kind == "share"):
            continue
        heaviest = sorted(reason.parts, key=lambda part: -abs(part[2]))[:HEAVIEST]
        rows = [(_part_name(whole.over, part, label, names), weight) for part, label, weight in heaviest]
        found.append(OtherWeights(called.get(whole.over, whole.over), reason.reading, rows, len(reason.parts)))
    return found


def summed_over_acts(reasons: Reasons) -> list[tuple[Whole, Reason]]:
    """Every reason once, those that add up (signed ones) summed over the acts: what a topic does in all of them."""
    found: list[tuple[Whole, Reason]] = []
    total: dict[tuple[str, Reading], dict[tuple[int, str | None], float]] = {}
    for whole, several in reasons.items():
        for reason in several:
            if whole.position is None or reason.kind != "signed" or whole.over in INSIDE:
                found.append((whole, reason))
                continue
            sums = total.setdefault((whole.over, reason.reading), {})
            for part, label, weight in reason.parts:
                sums[part, label] = sums.get((part, label), 0.0) + weight
    for (over, reading), sums in total.items():
        found.append((Whole(over), Reason(reading, "signed", [(*part, weight) for part, weight in sums.items()])))
    return found


def _part_name(over: str, part: int, label: str | None, names: dict[int, str]) -> str:
    person = over in ("item_history", "item_gate") and part in names
    return shortened(label or (display_name(names[part]) if person else f"{over} {part}"), LABEL)


def recommendations(
    tables: PageTables, case: ExplainedCase, past: Past, by_rank: Mapping[int, Reasons], checked: CheckedOf, shown: int
) -> list[Recommended]:
    """What is recommended, each with the `shown` events that weigh most for it, the heaviest first."""
    found = []
    for rank, (item, score) in enumerate(case.recommended, 1):
        reasons, tried = by_rank.get(rank, {}), checked.get((case.user, rank))
        readings, acts = weighed_events(tables.contents, past, reasons, shown, tried)
        acts.sort(key=lambda event: -abs(event.weight or 0.0))
        card, others = item_card(tables.contents, item, reasons), other_weights(reasons, tables.names, tables.words)
        found.append(Recommended(card, score, readings, acts if readings else [], others, tried))
    return found


def person_section(
    tables: PageTables, case: ExplainedCase, rows: pl.DataFrame, checked: CheckedOf, shown: int, lines: int
) -> Person:
    """One person's section, of `shown` events and `lines` topics; `rows` are the person's of the REASONS table."""
    by_rank, contents = group_reasons(rows), tables.contents
    own = tables.events.filter(pl.col("user") == case.user).sort("position")
    past: Past = list(own.filter(pl.col("position") < case.position).select("item", "time").iter_rows())
    until = own.filter(pl.col("position") == case.position)["time"].item()
    first = by_rank.get(1, {})
    readings, history = weighed_events(contents, past, first, shown)
    windows = windows_before(tables.trends.filter(pl.col("user") == case.user), until, tables.window)
    profile = next((one for one in first.get(Whole("topic"), []) if one.kind == "share"), None)
    topics, rest, chart = topic_trends(windows, tables.topics, profile.weights if profile else {}, lines)
    return Person(
        name=shortened(display_name(tables.names[case.user]), LABEL),
        events=len(past),
        when=time_label(past[-1][1], len(past) - 1) if past else "",
        readings=readings,
        history=history,
        recommended=recommendations(tables, case, past, by_rank, checked, shown),
        detailed=detailed(history),
        topics=topics,
        rest=rest,
        topics_reading=profile.reading if profile else None,
        chart=chart,
        views=history_views(first),
        target=item_card(contents, case.target, {}),
        rank=case.rank,
        rivals=case.rivals,
        frozen=case.frozen,
        hit=case.target in [item for item, _ in case.recommended],
        truth=_truth(tables, case),
    )


def _truth(tables: PageTables, case: ExplainedCase) -> dict[str, Any] | None:
    """The true cause of the next act, with the titles of the earlier acts that led to it, where it is known."""
    known = tables.truth.filter((pl.col("user") == case.user) & (pl.col("position") == case.position))
    if not known.height:
        return None
    cause: dict[str, Any] = known.row(0, named=True)
    titles = [shortened(tables.contents.titles.get(item) or f"item {item}", TITLE) for item in cause["earlier"] or []]
    return cause | {"earlier_titles": titles}
