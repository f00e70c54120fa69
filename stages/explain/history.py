"""A person's past as the page shows it: the events that weigh most for a recommendation, with their weights."""

from collections.abc import Collection, Sequence
from datetime import datetime

from stages.explain.checked_acts import Checked
from stages.explain.inside import WeighedViews
from stages.explain.item_cards import ItemContents, item_card, weighed_views
from stages.explain.page_contents import HistoryEvent
from stages.explain.weighed import Reading, Reason, Reasons, Whole

HISTORY = ("history", "gate")  # what weighs the events of the past
DETAILED = 3  # events of the history whose own words and regions are shown

Past = Sequence[tuple[int, datetime | None]]  # item and time, in the order of time


def heaviest_events(
    past: Past, reason: Reason | None, count: int, also: Collection[int] = ()
) -> list[tuple[int, int, float | None]]:
    """The `count` heaviest events in order (the last ones where nothing weighs): position, item, weight.

    `also`: positions of some that are shown in any case.

    Raises:
        ValueError: a reason weighs an event that is not in the history.
    """
    weights = reason.weights if reason else {}
    beyond = [position for position in weights if position >= len(past)]
    if beyond:
        raise ValueError(f"a reason weighs event {beyond[0]} of a history of {len(past)}")
    order = sorted(range(len(past)), key=lambda n: (n in weights, abs(weights.get(n, 0.0)), n))
    return [(n, past[n][0], weights.get(n)) for n in sorted({*order[-count:], *also})]


def time_label(time: datetime | None, place: int) -> str:
    """When something was done, or which act it was where the data has no times."""
    return f"act {place + 1}" if time is None else time.strftime("%a %d %b %Y, %H:%M")


def weighed_events(
    contents: ItemContents, past: Past, reasons: Reasons, count: int, checked: Checked | None = None
) -> tuple[list[Reading], list[HistoryEvent]]:
    """The readings of a history, and the `count` events that weigh most in the first of them, in order."""
    several = [reason for over in HISTORY for reason in reasons.get(Whole(over), [])]
    weights = [reason.weights for reason in several]
    tried = checked or Checked(None, {}, {})
    shown = heaviest_events(past, several[0] if several else None, count, tried.named)
    most = max((abs(weight) for _, _, weight in shown if weight is not None), default=0.0) or 1.0
    events = []
    for n, item, weight in shown:
        card = item_card(contents, item, reasons, n)
        bar = 100 * abs(weight or 0.0) / most
        each = [w.get(n) for w in weights]
        events.append(HistoryEvent(card, time_label(past[n][1], n), each, bar, tried.falls.get(n), tried.named.get(n)))
    return [reason.reading for reason in several], events


def detailed(events: list[HistoryEvent]) -> list[HistoryEvent]:
    """The heaviest events inside which something was weighed, the heaviest first; of equals the last."""
    inside = [event for event in events[::-1] if event.card.inside]
    ordered = sorted(inside, key=lambda event: -abs(event.weight or 0.0))
    return [event for event in ordered if event.weight is None or event.weight != 0][:DETAILED]


def scaled(reason: Reason, by: float) -> Reason:
    """A reason whose weights are so many times as large."""
    return Reason(reason.reading, reason.kind, [(part, label, weight * by) for part, label, weight in reason.parts])


def history_views(reasons: Reasons) -> list[WeighedViews]:
    """What the views weigh over the whole history: influences and contributions summed, shares as their mean by what
    the model's own weights give to each event (alike where it gives none).
    """
    own = [one for over in HISTORY for one in reasons.get(Whole(over), []) if one.reading.mark == "used"]
    weights = own[0].weights if own else {}
    by_reading: dict[Reading, list[tuple[Reason, float]]] = {}
    for whole, several in reasons.items():
        if whole.over == "view" and whole.position is not None:
            for reason in several:
                weight = abs(weights.get(whole.position, 0.0)) if own else 1.0
                by_reading.setdefault(reason.reading, []).append((reason, weight))
    found = []
    for each in by_reading.values():
        total = sum(weight for _, weight in each)
        mean = each[0][0].kind != "signed"
        if total > 0 or not mean:
            found.append(weighed_views([scaled(one, weight / total if mean else 1.0) for one, weight in each]))
    return found
