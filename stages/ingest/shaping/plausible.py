"""Events that cannot be what was meant: ids that do not match, that are all one, that a spreadsheet has rounded."""

import logging

import polars as pl

from stages.ingest.reading.shares import refuse_all, warn_many

log = logging.getLogger(__name__)

_ROUNDED = r"^\d\.\d+[eE]\+\d+$"
_HARDLY = 0.01  # fewer of the events' items than this share among those that are listed: two lists that do not belong


def refuse_one_item(events: pl.DataFrame, path: str) -> None:
    """Refuse a log whose events are all of one item, or whose ids a spreadsheet has rounded; warn of one user.

    Raises:
        ValueError: what all ids became, and how many events there are.
    """
    for role in ("item", "user"):
        ids = events[role].unique().cast(pl.String).sort()
        rounded = ids.filter(ids.str.contains(_ROUNDED))
        said = f"{path}: {len(rounded)} of {len(ids)} {role} ids look as a spreadsheet rounds them, e.g. "
        refuse_all(len(rounded), len(ids), f"{said}{rounded[:1].to_list()}; write the column as text")
        warn_many(len(rounded), len(ids), f"{said}{rounded[:1].to_list()}")
        if len(ids) > 1 or events.height < 2:
            continue
        said = f"{path}: all {events.height} events are of one {role}, {ids[0]!r}; does the setting name its column?"
        if role == "item":
            raise ValueError(f"{said} With one item there is nothing to choose among")
        log.warning("%s", said)


def compare_items(events: pl.Series, listed: pl.Series) -> None:
    """Warn where many items of the events are not among those that the source lists.

    Raises:
        ValueError: where hardly any is; names an id of each side, and what would make them the same.
    """
    if not len(listed) or not len(events):
        return
    strange = events.filter(~events.is_in(listed.implode()))
    hint = ""
    if len(strange):
        form = _plain(strange), _plain(listed)
        alike = form[0].is_in(form[1].implode()).sum()
        hint = f"; {alike} would match but for zeros before or a .0 behind" if alike else ""
    said = (
        f"{len(strange)} of {len(events)} items that have events are not in the list of items"
        f"{f', e.g. {strange[0]!r} (the list has e.g. {listed[0]!r})' if len(strange) else ''}{hint}"
    )
    refuse_all(len(strange), len(events), f"{said}: the two do not belong together", _HARDLY)
    warn_many(len(strange), len(events), said)


def _plain(ids: pl.Series) -> pl.Series:
    return ids.cast(pl.String).str.replace(r"^0+(\d)", "$1").str.replace(r"\.0+$", "")


def warn_density(pairs: int, events: int, users: int, items: int) -> None:
    """Warn where people come back so often that ids have perhaps collapsed."""
    if pairs and events > users * items:
        log.warning(
            "%d events of %d users and %d items: each pair comes %.1f times; are the ids whole?",
            events, users, items, events / pairs,
        )  # fmt: skip
