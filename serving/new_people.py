"""Histories of people who are not in the data, from titles or ids."""

import math
from collections.abc import Sequence
from datetime import datetime

from serving.answers import Item
from serving.events import Events
from serving.history import EARLIEST, Act, History, Refused, instant, timed
from serving.names import Names


def made_history(
    names: Names,
    events: Events,
    items: str | Sequence[str],
    at: datetime | None,
    times: Sequence[datetime] | None,
    ratings: Sequence[float] | None,
) -> History:
    """Somebody new's acts, the oldest first, by title or raw id: a list, or one text with semicolons between.

    Without `times` they were done one after the other, the median pause of this data apart, the last one such a pause
    before the moment `at`, or before the last event of the data.

    Raises:
        Refused: an item is not known, there are not as many times or ratings as items, a rating is no finite number, or
            a time is too far away.
    """
    found = _named(names, items)
    if not found:
        raise Refused("a history needs an act at least: name an item")
    for what, values in (("times", times), ("ratings", ratings)):
        if values is not None and len(values) != len(found):
            raise Refused(f"{what} given: {len(values)}, items: {len(found)}; give one each, or none")
    if times is not None and not events.timed:
        raise Refused("this data has no times: leave them out")
    if not all(map(math.isfinite, ratings or ())):
        raise Refused(f"a rating is a finite number; found {', '.join(map(str, ratings or ()))}")
    moments: list[datetime | None] = [None] * len(found)
    told: Sequence[int] = range(len(found))
    if times is not None:
        moments = [timed(time) for time in times]
        told = sorted(told, key=lambda n: instant(times[n]))
    elif events.timed:
        last = events.last if at is None else timed(at)
        if (last - EARLIEST) / events.pause < len(found):
            raise Refused(f"{len(found)} acts, {events.pause} apart, would begin before the year 2: give them times")
        moments = [last - events.pause * (len(found) - place) for place in range(len(found))]
    rated = list(ratings) if ratings is not None else [None] * len(found)
    acts = [Act(one.item, one.title, time, rating) for one, time, rating in zip(found, moments, rated, strict=True)]
    return History(None, tuple(acts[n] for n in told))


def _named(names: Names, items: str | Sequence[str]) -> list[Item]:
    given = [name for name in items.split(";") if name.strip()] if isinstance(items, str) else list(items)
    try:
        return [names.item(names.code(name)) for name in given]
    except Refused as refused:
        if isinstance(items, str) and any(";" in name for name in refused.nearest):
            why = f"{refused}. Semicolons stand between items: name one that has a semicolon in its title by its id"
            raise Refused(why, refused.nearest) from None
        raise
