"""Amazon's products, whatever stands in their records."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.ingest.reading.columns import Tally
from stages.ingest.reading.records import BlockReader
from stages.ingest.reading.stream import Block
from stages.ingest.reading.text_cleaning import is_page_source
from stages.ingest.sources.amazon.products import product_table
from stages.ingest.sources.amazon.releases import PRODUCT
from stages.ingest.sources.amazon.reviews import review_table

TEXT = ("title", "brand", "price", "categories", "features", "description")
GOOD: dict[str, Any] = {
    "asin": "B1",
    "title": "Girl's &quot;Tutu&quot; ",
    "price": 15.0,
    "imUrl": "http://x.com/a.jpg",
    "related": {"also_bought": ["B2"]},
    "categories": [["Sports & Outdoors", "Dance"], ["Clothing", "Dance"]],
}
odd = st.sampled_from(
    [7, True, 2**70, -(2**63) - 1, 1e400, -0.0, ["x"], {"y": 1}, [[1]], [[None]], None, "", " ", "&;", []]
)
anything = st.recursive(odd | st.text(max_size=3), lambda x: st.lists(x, max_size=2) | st.dictionaries(st.text(), x))


def told(*rows: dict[str, Any], release: int = 2014) -> tuple[list[dict[str, Any]], list[tuple[int, str]], int]:
    tally = Tally(Path("x"))
    lines = list(range(1, len(rows) + 1))
    return product_table(list(rows), lines, tally, release, TEXT).to_dicts(), tally.first, tally.bad


def test_a_good_product() -> None:
    (found,), _, bad = told(GOOD)
    assert bad == 0
    assert found == {
        "line": 1,
        "item": "B1",
        "title": 'Girl\'s "Tutu"',
        "categories": [["Sports & Outdoors", "Dance"], ["Clothing", "Dance"]],
        "text": 'Girl\'s "Tutu"\n15.0\nSports & Outdoors, Dance, Clothing',
        "picture": "http://x.com/a.jpg",
    }


def test_a_path_that_is_told_twice_is_there_once() -> None:
    (found,), _, _ = told(GOOD | {"categories": [["A", "B"], ["C"], ["A", "B "]]})
    assert found["categories"] == [["A", "B"], ["C"]]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([2014, 2018, 2023]), st.data())
def test_no_record_whatever_ends_the_reading(release: int, data: st.DataObject) -> None:
    fields = st.sampled_from(sorted(PRODUCT[release]))
    row = data.draw(st.dictionaries(fields, anything)) | {"asin": "B1", "parent_asin": "B1"}
    found, _, bad = told(row, release=release)
    assert len(found) + bad == 1


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([2014, 2018, 2023]), st.data())
def test_no_review_whatever_ends_the_reading(release: int, data: st.DataObject) -> None:
    names = ["reviewerID", "asin", "overall", "unixReviewTime", "reviewTime", "user_id", "rating", "timestamp"]
    row = {name: data.draw(anything | st.just("A") | st.just(5), name) for name in names}
    tally = Tally(Path("x"))
    assert review_table([row], [1], tally, release).height + tally.bad == 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"price": 10**400}, "price: expected a number, found 1"),
        ({"price": True}, "price: expected a number, found True"),
        ({"title": ["x"]}, "title: expected text, found ['x']"),
        ({"title": {"a": 1}}, "title: expected text"),
        ({"categories": [["a", None]]}, "categories: expected lists of names"),
    ],
)
def test_a_field_of_another_kind_is_a_bad_row(change: dict[str, Any], why: str) -> None:
    found, first, bad = told(GOOD | change, GOOD)
    assert ([row["line"] for row in found], bad) == ([2], 1)
    assert first[0][1].startswith(why)


def test_a_field_nested_too_deep_to_be_printed_is_a_bad_row() -> None:
    deep = b'{"asin": "B1", "title": ' + b"[" * 1_000 + b"]" * 1_000 + b"}"
    found, tally = BlockReader(Path("x"), table_of_2014)(Block(1, deep + b"\n" + repr(GOOD).encode()))
    assert (found["line"].to_list(), tally.bad) == ([2], 1)
    assert tally.first[0][1].startswith("title: expected text, found [[[")


def table_of_2014(rows: list[dict[str, Any]], lines: list[int], tally: Tally) -> Any:
    return product_table(rows, lines, tally, 2014, TEXT)


@pytest.mark.parametrize(
    "title",
    [
        "var aPageStart = (new Date()).getTime();\nvar ue_t0=ue_t0||+new Date();",
        '<span class="a-size-medium">Shoes</span>',
        "<!-- begin -->",
        "if (window.ue) { window.ue.count(1) } function go(a, b) { return 1 }",
        ".a-box-inner{background-color:#fff}",
        "td, th { color: red; margin: 0 }",
        "Shoes<br />for men",
    ],
)
def test_page_source_is_no_title(title: str) -> None:
    (found,), _, bad = told(GOOD | {"title": title, "brand": title})
    assert (found["title"], bad) == (None, 0)
    assert found["text"] == "15.0\nSports & Outdoors, Dance, Clothing"


@pytest.mark.parametrize(
    "title",
    [
        "Multi function (black) for window.New style",
        "3 < 4 > 2, I <3 you",
        "Notebook {size: A4}",
        "Document. A story",
        "C# in a {nutshell}",
        "The variable var: a study",
        "Tom & Jerry; {Collectors}",
    ],
)
def test_odd_titles_are_titles(title: str) -> None:
    (found,), _, _ = told(GOOD | {"title": title})
    assert found["title"] == title


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", ["{:;", "<a ", "var ", "function ", ".a{", "function (a", "{", "< "])
def test_page_source_is_looked_for_in_a_moment(text: str) -> None:
    spaced = text + " " * 1_000_000
    assert is_page_source(text * 300_000) is is_page_source(text * 3)
    assert is_page_source(spaced) is is_page_source(spaced[:20])
