"""Events that cannot be what was meant: ids that do not match, that are all one, that a spreadsheet has rounded, that
are sorted where an order in time should be.
"""

import logging

import numpy as np
import polars as pl

from stages.ingest.reading.columns import ROUNDED
from stages.ingest.reading.shares import refuse_all, warn_many
from stages.ingest.shaping.event_log import EventLog

log = logging.getLogger(__name__)

_HARDLY = 0.01  # fewer of the events' items than this share among those that are listed: two lists that do not belong
_SORTED = 0.9  # of the steps from one event to the next go up in item id (or down): no order in time does that
_STEPS = 100  # steps that are enough to tell
_LOOKED = 1_000_000  # events that are looked through


def refuse_one_item(events: pl.DataFrame, path: str) -> None:
    """Refuse a log whose events are all of one item, or whose ids a spreadsheet has rounded; warn of one user.

    Raises:
        ValueError: what all ids became, and how many events there are.
    """
    for role in ("item", "user"):
        ids = events[role].unique().cast(pl.String).sort()
        rounded = ids.filter(ids.str.contains(ROUNDED))
        said = f"{path}: {len(rounded)} of {len(ids)} {role} ids look as a spreadsheet rounds them, e.g. "
        refuse_all(len(rounded), len(ids), f"{said}{rounded[:1].to_list()}; write the column as text")
        warn_many(len(rounded), len(ids), f"{said}{rounded[:1].to_list()}")
        if len(ids) > 1 or events.height < 2:
            continue
        said = f"{path}: all {events.height} events are of one {role}, {ids[0]!r}; does the setting name its column?"
        if role == "item":
            raise ValueError(f"{said} With one item there is nothing to choose among")
        log.warning("%s", said)


def compare_items(
    asked: pl.Series, listed: pl.Series, what: str = "items that have events", where: str = "the list of items"
) -> None:
    """Warn where many items of the events, or of `what` else is `asked`, are not among those that the source lists.

    Raises:
        ValueError: where hardly any is; names an id of each side, and what would make them the same.
    """
    if not len(listed) or not len(asked):
        return
    strange = asked.filter(~asked.is_in(listed.implode()))
    hint = ""
    if len(strange):
        form = _plain(strange), _plain(listed)
        alike = form[0].is_in(form[1].implode()).sum()
        hint = f"; {alike} would match but for zeros before or a .0 behind" if alike else ""
    said = (
        f"{len(strange)} of {len(asked)} {what} are not in {where}"
        f"{f', e.g. {strange[0]!r} (the list has e.g. {listed[0]!r})' if len(strange) else ''}{hint}"
    )
    refuse_all(len(strange), len(asked), f"{said}: the two do not belong together", _HARDLY)
    warn_many(len(strange), len(asked), said)


def _plain(ids: pl.Series) -> pl.Series:
    return ids.cast(pl.String).str.replace(r"^0+(\d)", "$1").str.replace(r"\.0+$", "")


def warn_density(pairs: int, events: int, users: int, items: int) -> None:
    """Warn where people come back so often that ids have perhaps collapsed."""
    if pairs and events > users * items:
        log.warning(
            "%d events of %d users and %d items: each pair comes %.1f times; are the ids whole?",
            events, users, items, events / pairs,
        )  # fmt: skip


def warn_sorted_ids(events: EventLog) -> float | None:
    """The share of steps from one event to a user's next that go up in item id, of the first million events in order;
    None where there are too few. Warn where nearly all go one way: the file was sorted by item, not by time.

    Steps to or from an item that nobody had before are left out, since ids may be numbered as they first appear.
    """
    user, item = events.user[:_LOOKED], events.item[:_LOOKED]
    first = np.zeros(len(events.items), dtype=np.int64)
    first[item[::-1]] = np.arange(len(item))[::-1]
    known = user[first[item]] != user
    step = (user[1:] == user[:-1]) & known[1:] & known[:-1] & (item[1:] != item[:-1])
    if np.count_nonzero(step) < _STEPS:
        return None
    number = events.items.cast(pl.Int64, strict=False)
    order = np.arange(len(events.items)) if number.null_count() else number.to_numpy()
    share = float((order[item[1:][step]] > order[item[:-1][step]]).mean())
    if not 1 - _SORTED < share < _SORTED:
        place = int(step.argmax())
        some = [str(events.items[int(code)]) for code in item[user == user[place]][:6]]
        log.warning(
            "item ids go %s in %.1f %% of %d steps from one event of a user to the next, e.g. user %s: %s. The events "
            "look sorted by item, not by time: what comes next can be read from the ids, and models of sequences read "
            "too high. Sort each user's events by time",
            "up" if share > 0.5 else "down", 100 * max(share, 1 - share), np.count_nonzero(step),
            events.users[int(user[place])], " ".join(some),
        )  # fmt: skip
    return share
