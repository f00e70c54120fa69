import io
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given as each
from hypothesis import strategies as st
from PIL import Image

from engine.features.pictures.pictures import inspect
from engine.tables.schemas import CATALOG, IMAGES, ITEMS
from engine.tables.store import write, write_shards
from stages.crawl import merge
from stages.crawl.answer_store import Answer, AnswerStore
from stages.crawl.services.item_content import OK, ItemContent, Status
from stages.crawl.services.service import picture_metadata

from .conftest import jpeg

FAILED, MISSING = Status("failed", "HTTP 500"), Status("missing", "no overview")


def items(*codes: int) -> pl.DataFrame:
    rows = [(code, str(code), f"Title {code}", [], [{"service": "tmdb", "id": str(code)}]) for code in codes]
    return pl.DataFrame(rows, schema=dict(ITEMS.columns), orient="row")


def image(item: int, data: bytes) -> dict[str, object]:
    picture = inspect(data)
    return {"item": item, "image": data, **vars(picture)}


def put(folder: Path, catalog: list[tuple[object, ...]], pictures: list[int]) -> tuple[Path, Path]:
    paths = folder / "given.parquet", folder / "given"
    write(pl.DataFrame(catalog, schema=dict(CATALOG.columns), orient="row"), paths[0], CATALOG)
    frame = pl.DataFrame([image(item, jpeg(item)) for item in pictures], schema=dict(IMAGES.columns))
    write_shards([frame], paths[1], IMAGES)
    return paths


def test_given_wins_and_found_fills(tmp_path: Path) -> None:
    table = items(1, 2, 3, 4, 5)
    rows = [
        (1, "Mine", "my text", "ok", "missing", "table"),
        (2, None, None, "missing", "ok", "table"),
        (3, None, None, "failed: torn page", "failed: no such file", "table"),
        (5, None, "own", "ok", "ok", None),
    ]
    have = merge.read_given(*put(tmp_path, rows, [2, 5]), table)
    lacking = merge.lacking(table, have)
    assert [(one.item, one.picture) for one in lacking] == [(1, True), (2, False), (3, True), (4, True)]
    assert lacking[0].ids == {"tmdb": "1"}
    found = {
        1: ItemContent("tmdb", OK, OK, "Theirs", "their text", "http://x/1"),
        2: ItemContent("tmdb", OK, Status("missing", "not asked"), "Theirs", "their text"),
        3: ItemContent("tmdb", MISSING, OK, "", "", "http://x/3"),
        4: ItemContent("tmdb", FAILED, FAILED),
    }
    result = merge.merge_contents(table, have, {"tmdb": found})
    assert result.catalog.rows() == [
        (1, "Mine", "my text", "ok", "ok", "table + tmdb"),
        (2, "Title 2", "their text", "ok", "ok", "tmdb + table"),
        (3, "Title 3", None, "failed: torn page", "ok", "tmdb"),
        (4, "Title 4", None, "failed: HTTP 500", "failed: HTTP 500", "tmdb"),
        (5, "Title 5", "own", "ok", "ok", "given"),
    ]
    assert result.pictures == [(1, "tmdb", "http://x/1"), (3, "tmdb", "http://x/3")]
    assert result.counts == {
        "items": 5,
        "text_ok": 3,
        "text_missing": 0,
        "text_failed": 2,
        "picture_ok": 4,
        "picture_missing": 0,
        "picture_failed": 1,
        "why": {"picture failed: HTTP 500": 1, "text failed: HTTP 500": 1, "text failed: torn page": 1},
    }


@pytest.mark.parametrize(
    ("rows", "pictures", "why"),
    [
        ([(9, None, None, "missing", "missing", None)], [], "item 9 is unknown"),
        ([(1, None, None, "missing", "missing", None)] * 2, [], "item 1 stands there twice"),
        ([(1, None, None, "gone", "missing", None)], [], "item 1: status 'gone': expected ok, missing or failed: why"),
        ([(1, None, None, "ok", "missing", None)], [], "status 'ok' and no text"),
        ([(1, None, "x", "missing", "missing", None)], [], "status 'missing' and a text"),
        ([(1, None, "x", "ok", "ok", None)], [], "0 pictures there, and .* says 1"),
        ([(1, None, "x", "ok", "missing", None)], [1], r"1 pictures there, and .* says 0.*items \[1\]"),
        ([(1, None, "x", "ok", "ok", None)], [1, 1], "2 pictures there, and .* says 1"),
    ],
)
def test_given_tables_that_contradict_themselves_are_refused(
    tmp_path: Path, rows: list[tuple[object, ...]], pictures: list[int], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        merge.read_given(*put(tmp_path, rows, pictures), items(1, 2))


def test_items_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 rows with an item of another row"):
        merge.read_given(*put(tmp_path, [], []), items(1, 1))


def big(item: int) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((600, 600), 90 + item % 7).convert("RGB").save(buffer, "BMP")
    return buffer.getvalue()


def test_shards_are_in_item_order_and_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge, "_BYTES", 3_000_000)
    _, folder = put(tmp_path, [], list(range(2, 700, 2)))
    with closing(AnswerStore(tmp_path / "answers.sqlite")) as answers:
        noise = big(0)
        for item in (1, 3, 5, 7, 701):
            answers.put(f"http://x/{item}", "picture", Answer(200, noise, picture_metadata(Answer(200, noise))))
        places = [(item, "tmdb", f"http://x/{item}") for item in (1, 3, 5, 7, 701)]
        frames = list(merge.image_shards(folder, places, {"tmdb": answers}))
    assert [item for frame in frames for item in frame["item"]] == sorted([*range(2, 700, 2), 1, 3, 5, 7, 701])
    assert all(frame.height <= 256 for frame in frames)
    assert all(sum(map(len, frame["image"])) <= 3_000_000 for frame in frames)
    assert frames[0].row(0) == (1, noise, *vars(inspect(noise)).values())


state = st.sampled_from([OK, MISSING, FAILED])


@each(st.lists(st.tuples(st.sampled_from(["ok", "missing", "failed: old"]), state), min_size=1, max_size=8))
def test_every_item_stands_there_once_and_the_counts_add_up(pairs: list[tuple[str, Status]]) -> None:
    table = items(*range(1, len(pairs) + 1))
    have, found = {}, {}
    for item, (status, new) in enumerate(pairs, 1):
        have[item] = ItemContent(
            "given", Status.parse(status), Status.parse(status), "", "old" if status == "ok" else ""
        )
        found[item] = ItemContent("tmdb", new, new, "", "new", f"http://x/{item}")
    result = merge.merge_contents(table, have, {"tmdb": found})
    assert result.catalog["item"].to_list() == list(range(1, len(pairs) + 1))
    for row, (status, new) in zip(result.catalog.iter_rows(named=True), pairs, strict=True):
        assert (row["status"] == "ok") == ("ok" in (status, new.outcome)) == (row["text"] is not None)
        assert row["text"] == ("old" if status == "ok" else "new" if new is OK else None)
        assert row["status"] == row["picture"]
    for what in ("text", "picture"):
        assert sum(result.counts[f"{what}_{kind}"] for kind in ("ok", "missing", "failed")) == len(pairs)


def test_the_first_service_that_has_it_wins_text_and_picture_each() -> None:
    table = items(1, 2, 3, 4, 5)
    none, unasked = Status("missing", "no plot"), Status("missing", "not asked")
    first = {
        1: ItemContent("omdb", OK, OK, "First", "first", "http://o/1"),
        2: ItemContent("omdb", none, OK, "First", "", "http://o/2"),
        3: ItemContent("omdb", OK, FAILED, "First", "first"),
        4: ItemContent("omdb", FAILED, none),
        5: ItemContent("omdb: no id", none, none),
    }
    second = {
        2: ItemContent("tmdb", OK, unasked, "Second", "second"),
        3: ItemContent("tmdb", OK, OK, "Second", "second", "http://t/3"),
        4: ItemContent("tmdb", none, unasked),
        5: ItemContent("tmdb", Status("failed", "HTTP 500"), none),
    }
    assert [(one.item, one.picture) for one in merge.lacking(table, {}, [first])] == [
        (2, False), (3, True), (4, True), (5, True),
    ]  # fmt: skip
    result = merge.merge_contents(table, {}, {"a": first, "b": second})
    assert [row[2:] for row in result.catalog.iter_rows()] == [
        ("first", "ok", "ok", "omdb"),
        ("second", "ok", "ok", "tmdb + omdb"),
        ("first", "ok", "ok", "omdb + tmdb"),
        (None, "failed: HTTP 500", "missing", "omdb + tmdb"),
        (None, "failed: HTTP 500", "missing", "omdb: no id + tmdb"),
    ]
    assert result.pictures == [(1, "a", "http://o/1"), (2, "a", "http://o/2"), (3, "b", "http://t/3")]
    assert result.counts["why"] == {"picture missing: no plot": 2, "text failed: HTTP 500": 2}
