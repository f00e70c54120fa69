"""Amazon's products of 2014 as columns: the same as one by one, whatever stands in them."""

import os
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from stages.ingest.reading import literal, records, text_cleaning
from stages.ingest.reading.columns import Tally
from stages.ingest.reading.record_blocks import Work
from stages.ingest.reading.stream import Block, Limits
from stages.ingest.sources.amazon import products

TEXT = ("title", "brand", "price", "categories", "features", "description")
FILE = Path("meta.json")
GOOD: dict[str, Any] = {
    "asin": "B1",
    "title": "Girl's &quot;Tutu&quot; ",
    "price": 15.0,
    "imUrl": "http://x.com/a.jpg",
    "related": {"also_bought": ["B2"]},
    "categories": [["Sports & Outdoors", "Dance"], ["Clothing", "Dance"]],
}


def work(columnar: bool) -> Work:
    shape = partial(products.shaped, release=2014, text=TEXT)
    return Work(FILE, "literal", shape, products.fields(2014), products.typed(2014, TEXT) if columnar else None)


def block(*lines: Any) -> Block:
    text = "".join(f"{line if isinstance(line, str) else repr(line)}\n" for line in lines).encode("utf-8", "replace")
    return Block(7, text, len(lines))


word = st.sampled_from(
    ["", " ", "a", " b ", "&amp;", "&lt;c&gt; ", "& d;", "é", "\n", "\u3000", "http://x.com/a.jpg", "'\""]
)
text = st.lists(word, max_size=3).map("".join)
maybe = st.none() | text
odd = st.sampled_from([7, True, ["x"], {"y": 1}, (1, 2)])
names = st.lists(st.lists(text | st.none(), max_size=3) | st.none(), max_size=3) | st.none() | odd
record = st.fixed_dictionaries(
    {},
    optional={
        "asin": st.sampled_from(["B1", " B2 ", "B3"]) | maybe | odd,
        "title": maybe | odd,
        "brand": maybe,
        "description": maybe,
        "imUrl": maybe | st.just(" https://x.com/b.jpg"),
        "price": st.sampled_from([3.17, 0.0, 15.0, 7, 1e22, -1.0, None]),
        "categories": names,
        "other": odd,
    },
)
sane = st.fixed_dictionaries(
    {"asin": st.just("B1")},
    optional=dict.fromkeys(("title", "brand", "description", "imUrl"), text)
    | {"price": st.sampled_from([3.17, 15.0, 7]), "categories": st.lists(st.lists(text, max_size=3), max_size=3)},
)


@settings(max_examples=300, deadline=None)
@given(st.lists(sane | st.sampled_from(["", "None", "{'asin': 'B1', 'x': (1,)}"]), max_size=6) | st.lists(record))
@example([GOOD, GOOD | {"title": None}, "{'asin': 'B4', 'title': b'x'}", "[1]"])
@example(["{'asin': 'B1'} {'asin': 'B2'}", "", GOOD])
@example(["{'asin': ' '}", GOOD])
def test_columns_say_what_records_say(rows: list[Any]) -> None:
    (wanted, told), (found, tally) = work(False)(block(*rows)), work(True)(block(*rows))
    assert_frame_equal(found, wanted)
    assert (tally.rows, tally.bad, tally.first) == (told.rows, told.bad, told.first)


def test_good_records_are_never_python_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    shape = products.shaped

    def spied(rows: Any, *others: Any, **more: Any) -> pl.DataFrame:
        seen.extend(rows)
        return shape(rows, *others, **more)

    monkeypatch.setattr(products, "shaped", spied)
    found, tally = work(True)(block(GOOD, "{'asin': 'B2', 'related': (1, 2)}", "{'asin': 'B3'", GOOD))
    assert seen == [{"asin": "B2", "related": None}]
    assert found["line"].to_list() == [7, 8, 10]
    assert (tally.rows, tally.bad, tally.first[0][0]) == (4, 1, 9)
    assert found["title"].to_list() == ['Girl\'s "Tutu"', None, 'Girl\'s "Tutu"']
    assert found["text"][0] == 'Girl\'s "Tutu"\n15.0\nSports & Outdoors, Dance, Clothing'


@pytest.mark.parametrize(
    "line",
    [
        b"{'a': 'x'} {'a': 'y'}",
        b"{'a': 'x', 'a': 'y'}",
        b"{'a': 1}",
        b"{'a': '\xff'}",
        b"{'a': 'x',}",
        b"['a']",
        b"7",
        b"",
    ],
)
def test_what_is_no_record_of_the_schema_makes_no_table(line: bytes) -> None:
    schema = pa.schema({"a": pa.string()})
    good = literal.Rewritten.of(b"{'a': 'x'}\n\n{'b': 2}\n", frozenset("a"), 3).table(schema)
    assert good is not None
    assert good[0].to_pylist() == [{"a": "x"}, {"a": None}]
    assert good[1].tolist() == [0, 2]
    rest = b"{'a': 'x'}\n" if line else b""
    assert literal.Rewritten.of(rest + line + b"\n", frozenset("a"), 3).table(schema) is None


def test_a_column_is_cleaned_and_left_as_it_was() -> None:
    given = [" &lt;a&gt; ", "b", None, " ", "&amp;amp;", "&;"]
    column = pl.Series("x", given)
    assert text_cleaning.column(column).to_list() == ["<a>", "b", None, None, "&amp;", "&;"]
    assert column.to_list() == given


def test_many_blocks_by_threads_are_read_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [repr(GOOD | {"asin": f"B{n:05d}"}) for n in range(400)]
    rows[250] = "{'asin': 'B00250', 'related': (1, 2)}"
    path = tmp_path / "meta.json"
    path.write_text("\n".join([*rows, "[]"]))
    whole = records.blocks
    monkeypatch.setattr(records, "blocks", lambda path, limits: whole(path, limits, 4_000))
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    tally, shape = Tally(path), partial(products.shaped, release=2014, text=TEXT)
    monkeypatch.setattr(Work, "__reduce__", lambda self: pytest.fail("a process was given the work"))
    fields = products.fields(2014)
    parts = records.read(path, shape, fields, tally, Limits(gigabytes=1, megabytes=1), products.typed(2014, TEXT))
    found = pl.concat(parts)
    assert found["item"].to_list() == [f"B{n:05d}" for n in range(400)]
    assert found["line"].to_list() == list(range(1, 401))
    assert tally.first == [(401, "a list, expected a record {…}")]
