"""What was given and what was found, as one catalog and one row of pictures."""

import heapq
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from operator import itemgetter
from pathlib import Path
from typing import Any

import polars as pl

from engine.tables.schemas import CATALOG, IMAGES
from engine.tables.store import read, read_shards
from stages.crawl.answer_store import Answers
from stages.crawl.services.service import Found, State, Wanted

_ROWS, _BYTES = 256, 64_000_000  # a shard is cut at whichever comes first, so that memory stays bounded
_NOT_GIVEN = State("missing", "not given")
_NOTHING = Found("", _NOT_GIVEN, _NOT_GIVEN)


@dataclass(frozen=True)
class Merged:
    """The catalog, its counts, and where the found pictures lie (item, whose answers, address), in item order."""

    catalog: pl.DataFrame
    counts: dict[str, Any]
    pictures: list[tuple[int, str, str]]


def given(catalog: Path, images: Path, items: pl.DataFrame) -> dict[int, Found]:
    """What came with the raw logs, by item.

    Raises:
        ValueError: items twice or unknown, a status that is none, or one that does not say what lies there.
    """
    found: dict[int, Found] = {}
    codes = set(items["item"])
    if len(codes) < items.height:
        raise ValueError(f"the items table has {items.height - len(codes)} rows with an item of another row")
    for item, title, text, status, picture, source in read(catalog, CATALOG).iter_rows():
        if item in found or item not in codes:
            raise ValueError(f"{catalog}: item {item} {'stands there twice' if item in found else 'is unknown'}")
        try:
            found[item] = Found(source or "given", State.parse(status), State.parse(picture), title or "", text or "")
        except ValueError as error:
            raise ValueError(f"{catalog}: item {item}: {error}") from None
        if (status == "ok") != bool(text):
            raise ValueError(f"{catalog}: item {item} has the status {status!r} and {'a' if text else 'no'} text")
    there = [item for part in read_shards(images, IMAGES, columns=["item"]) for item in part["item"]]
    said = sorted(item for item, one in found.items() if one.picture.kind == "ok")
    if there != said:
        differing = sorted(set(there).symmetric_difference(said))[:5]
        raise ValueError(
            f"{images}: {len(there)} pictures there, and {catalog} says {len(said)}; each item's once and in order is "
            f"expected{f', the first that differ are of items {differing}' if differing else ''}"
        )
    return found


def wanted(items: pl.DataFrame, have: dict[int, Found], found: Sequence[dict[int, Found]] = ()) -> list[Wanted]:
    """The items that lack a text or a picture yet; what was given, or found before, is never asked for."""
    lacking = []
    for item, ids in items.select("item", "ids").iter_rows():
        there = [have.get(item, _NOTHING), *(one.get(item, _NOTHING) for one in found)]
        text, picture = (any(getattr(one, what).kind == "ok" for one in there) for what in ("text", "picture"))
        if not (text and picture):
            services = {each["service"]: each["id"] for each in ids or ()}
            lacking.append(Wanted(item, services, not picture))
    return lacking


def merged(items: pl.DataFrame, have: dict[int, Found], found: dict[str, dict[int, Found]]) -> Merged:
    """Each item once: what was given wins, then the first that found it; a text and a picture each for itself."""
    rows, pictures, counts, why = [], [], Counter[str](), Counter[str]()
    for item, title in items.select("item", "title").iter_rows():
        old, new = have.get(item, _NOTHING), {name: one[item] for name, one in found.items() if item in one}
        by_text, by_picture = (reduce(partial(_better, what=what), new.values(), old) for what in ("text", "picture"))
        text, picture = by_text.text, by_picture.picture
        if by_picture is not old and picture.kind == "ok":
            name = next(name for name, one in new.items() if one is by_picture)
            pictures.append((item, name, by_picture.address))
        sources = [one.source for one, state in ((by_text, text), (by_picture, picture)) if state.kind == "ok"]
        source = _joined(sources) or _joined(one.source for one in new.values()) or old.source
        words = by_text.words if text.kind == "ok" else None
        called = next((one.title for one in new.values() if one.title), None)
        rows.append((item, old.title or title or called, words, str(text), str(picture), source or None))
        counts.update((f"text_{text.kind}", f"picture_{picture.kind}"))
        why.update(f"{what} {s.kind}: {s.why}" for what, s in (("text", text), ("picture", picture)) if s.why)
    plain = {f"{what}_{kind}": 0 for what in ("text", "picture") for kind in ("ok", "missing", "failed")}
    frame = pl.DataFrame(rows, schema=dict(CATALOG.columns), orient="row")
    return Merged(frame, {"items": items.height, **plain, **counts, "why": dict(sorted(why.items()))}, pictures)


def _joined(sources: Iterable[str]) -> str:
    return " + ".join(dict.fromkeys(sources))


def _better(old: Found, new: Found, what: str) -> Found:
    """`old`, unless `new` has it, or knows more of why there is none."""
    was, is_now = getattr(old, what), getattr(new, what)
    return new if _worth(is_now) > _worth(was) else old


def _worth(state: State) -> int:
    return -1 if state == _NOT_GIVEN else ("missing", "failed", "ok").index(state.kind)


def shards(
    images: Path, pictures: Iterable[tuple[int, str, str]], answers: Mapping[str, Answers]
) -> Iterator[pl.DataFrame]:
    """Given and found pictures in item order, in frames of bounded size."""
    rows: list[dict[str, Any]] = []
    size = 0
    given_rows = (row for part in read_shards(images, IMAGES, rows=16) for row in part.iter_rows(named=True))
    for row in heapq.merge(given_rows, _kept(pictures, answers), key=itemgetter("item")):
        if rows and (len(rows) == _ROWS or size + len(row["image"]) > _BYTES):
            yield pl.DataFrame(rows, schema=dict(IMAGES.columns))
            rows, size = [], 0
        rows.append(row)
        size += len(row["image"])
    if rows:
        yield pl.DataFrame(rows, schema=dict(IMAGES.columns))


def _kept(pictures: Iterable[tuple[int, str, str]], answers: Mapping[str, Answers]) -> Iterator[dict[str, Any]]:
    for item, name, address in pictures:
        answer = answers[name].find(address)
        assert answer is not None, f"{address}: kept, and gone"
        yield {"item": item, "image": answer.body, **json.loads(answer.note)}
