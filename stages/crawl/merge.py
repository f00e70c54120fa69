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
from stages.crawl.answer_store import AnswerStore
from stages.crawl.services.item_content import ItemContent, ItemRequest, Status

_ROWS, _BYTES = 256, 64_000_000  # a shard is cut at whichever comes first, so that memory stays bounded
_NOT_GIVEN = Status("missing", "not given")
_NOTHING = ItemContent("", _NOT_GIVEN, _NOT_GIVEN)


@dataclass(frozen=True)
class MergedContents:
    """The catalog, its counts, and where the found pictures lie (item, whose answers, address), in item order."""

    catalog: pl.DataFrame
    counts: dict[str, Any]
    pictures: list[tuple[int, str, str]]


def read_given(catalog: Path, images: Path, items: pl.DataFrame) -> dict[int, ItemContent]:
    """What came with the raw logs, by item.

    Raises:
        ValueError: items twice or unknown, a status that is none, or one that does not say what lies there.
    """
    found: dict[int, ItemContent] = {}
    codes = set(items["item"])
    if len(codes) < items.height:
        raise ValueError(f"the items table has {items.height - len(codes)} rows with an item of another row")
    for item, title, text, status, picture, source in read(catalog, CATALOG).iter_rows():
        if item in found or item not in codes:
            raise ValueError(f"{catalog}: item {item} {'stands there twice' if item in found else 'is unknown'}")
        try:
            found[item] = ItemContent(
                source or "given", Status.parse(status), Status.parse(picture), title or "", text or ""
            )
        except ValueError as error:
            raise ValueError(f"{catalog}: item {item}: {error}") from None
        if (status == "ok") != bool(text):
            raise ValueError(f"{catalog}: item {item} has the status {status!r} and {'a' if text else 'no'} text")
    there = [item for part in read_shards(images, IMAGES, columns=["item"]) for item in part["item"]]
    said = sorted(item for item, one in found.items() if one.picture_status.ok)
    if there != said:
        differing = sorted(set(there).symmetric_difference(said))[:5]
        raise ValueError(
            f"{images}: {len(there)} pictures there, and {catalog} says {len(said)}; each item's once and in order is "
            f"expected{f', the first that differ are of items {differing}' if differing else ''}"
        )
    return found


def lacking(
    items: pl.DataFrame, have: dict[int, ItemContent], found: Sequence[dict[int, ItemContent]] = ()
) -> list[ItemRequest]:
    """The items that lack a text or a picture yet; what was given, or found before, is never asked for."""
    requests = []
    for item, ids in items.select("item", "ids").iter_rows():
        there = [have.get(item, _NOTHING), *(one.get(item, _NOTHING) for one in found)]
        text, picture = (any(getattr(one, what).ok for one in there) for what in ("text_status", "picture_status"))
        if not (text and picture):
            services = {each["service"]: each["id"] for each in ids or ()}
            requests.append(ItemRequest(item, services, not picture))
    return requests


def merge_contents(
    items: pl.DataFrame, have: dict[int, ItemContent], found: dict[str, dict[int, ItemContent]]
) -> MergedContents:
    """Each item once: what was given wins, then the first that found it; a text and a picture each for itself."""
    rows, pictures, counts, why = [], [], Counter[str](), Counter[str]()
    for item, title in items.select("item", "title").iter_rows():
        old, new = have.get(item, _NOTHING), {name: one[item] for name, one in found.items() if item in one}
        by_text, by_picture = (
            reduce(partial(_preferred, what=what), new.values(), old) for what in ("text_status", "picture_status")
        )
        text, picture = by_text.text_status, by_picture.picture_status
        if by_picture is not old and picture.ok:
            name = next(name for name, one in new.items() if one is by_picture)
            pictures.append((item, name, by_picture.picture_address))
        sources = [one.source for one, state in ((by_text, text), (by_picture, picture)) if state.ok]
        source = _joined(sources) or _joined(one.source for one in new.values()) or old.source
        words = by_text.text if text.ok else None
        called = next((one.title for one in new.values() if one.title), None)
        rows.append((item, old.title or title or called, words, str(text), str(picture), source or None))
        counts.update((f"text_{text.outcome}", f"picture_{picture.outcome}"))
        why.update(f"{what} {s.outcome}: {s.reason}" for what, s in (("text", text), ("picture", picture)) if s.reason)
    plain = {f"{what}_{kind}": 0 for what in ("text", "picture") for kind in ("ok", "missing", "failed")}
    frame = pl.DataFrame(rows, schema=dict(CATALOG.columns), orient="row")
    return MergedContents(frame, {"items": items.height, **plain, **counts, "why": dict(sorted(why.items()))}, pictures)


def _joined(sources: Iterable[str]) -> str:
    return " + ".join(dict.fromkeys(sources))


def _preferred(old: ItemContent, new: ItemContent, what: str) -> ItemContent:
    """`old`, unless `new` has it, or knows more of why there is none."""
    was, is_now = getattr(old, what), getattr(new, what)
    return new if _rank(is_now) > _rank(was) else old


def _rank(status: Status) -> int:
    return -1 if status == _NOT_GIVEN else ("missing", "failed", "ok").index(status.outcome)


def image_shards(
    images: Path, pictures: Iterable[tuple[int, str, str]], stores: Mapping[str, AnswerStore]
) -> Iterator[pl.DataFrame]:
    """Given and found pictures in item order, in frames of bounded size."""
    rows: list[dict[str, Any]] = []
    size = 0
    given_rows = (row for part in read_shards(images, IMAGES, rows=16) for row in part.iter_rows(named=True))
    for row in heapq.merge(given_rows, _crawled_images(pictures, stores), key=itemgetter("item")):
        if rows and (len(rows) == _ROWS or size + len(row["image"]) > _BYTES):
            yield pl.DataFrame(rows, schema=dict(IMAGES.columns))
            rows, size = [], 0
        rows.append(row)
        size += len(row["image"])
    if rows:
        yield pl.DataFrame(rows, schema=dict(IMAGES.columns))


def _crawled_images(
    pictures: Iterable[tuple[int, str, str]], stores: Mapping[str, AnswerStore]
) -> Iterator[dict[str, Any]]:
    for item, name, address in pictures:
        answer = stores[name].get(address, "picture")
        assert answer is not None, f"{address}: kept, and gone"
        yield {"item": item, "image": answer.body, **json.loads(answer.metadata)}
