import ast
import json
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stages.ingest.reading import records
from stages.ingest.reading.columns import Tally
from stages.ingest.reading.records import BlockReader, first_fields, parse, read_records
from stages.ingest.reading.stream import Block, Limits, blocks

LIMITS = Limits(gigabytes=1, megabytes=4)
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
value = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=20
)


def ids(rows: list[dict[str, Any]], lines: list[int], tally: Tally) -> pl.DataFrame:
    """A table of the field `id`."""
    tally.rows += len(rows)
    return pl.DataFrame({"id": [str(row["id"]) for row in rows], "line": lines}, {"id": pl.String, "line": pl.Int64})


def dying(rows: list[dict[str, Any]], lines: list[int], tally: Tally) -> pl.DataFrame:
    os._exit(9)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.text(), value))
@example({"a": 2**70, "b": -(2**63), "c": 1e22, "d": 5e-324, "e": -0.0, "'": '"\\/', "f": True})
def test_what_repr_writes_is_read_back_exactly(found: dict[str, Any]) -> None:
    line = repr(found).encode()
    if found and line.startswith(b'{"') and b"'" not in line:
        return  # it may be JSON as well
    assert repr(parse(line)) == repr(ast.literal_eval(line.decode())), "types count too: 1, 1.0 and True are three"


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text(), st.text() | st.integers(-(2**63), 2**63) | st.lists(st.text()) | st.booleans()))
def test_json_is_read_as_json(found: dict[str, Any]) -> None:
    assert parse(json.dumps(found).encode()) == found


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{[1]: 2}", "unhashable"),
        (b"{'id': {[1]}}", "unhashable"),
        (b"{'id': 'cut", "unterminated string"),
        (b'{"id": "cut', "."),
        (b"{'id': __import__('os').getcwd()}", "malformed"),
        (b"[" * 100_000, "too many nested parentheses"),
        (b'{"id":' * 2_000 + b"1" + b"}" * 2_000, "depth limit exceeded"),
        (b"{'id': " + b"-" * 3_000 + b"1}", "maximum recursion depth"),
        (b"{'id': " + b"-" * 400_000 + b"1}", "MemoryError|too complex"),  # by Python 3.11 and 3.12
        (b"{'id': " + b"1+" * 3_000 + b"1}", "maximum recursion depth"),
        (b"{'id': " + b"9" * 5_000 + b"}", "limit .* for integer"),
        (b"{'id': '\0'}", "null byte"),
        (b"\0" * 40, "."),
        (b"{'id': '\xe9'}", "not UTF-8 text"),
        (b'{"id": "\xe9"}', "not UTF-8 text"),
        (rb"{'id': '\ud83d'}", "not UTF-8 text"),
        (rb"{'id': ['\U0000DC00']}", "not UTF-8 text"),
        (rb'{"id": "\ud83d"}', "not UTF-8 text"),
        (b'{"id": NaN}', "."),
        (b"{'id': 1} {'id': 2}", "invalid syntax"),
    ],
    ids=lambda part: repr(part[:24]),
)
def test_a_line_that_is_no_record_is_counted_with_its_reason(line: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse(line)
    found, tally = BlockReader(Path("x"), ids)(Block(5, b"{'id': 1}\n\n" + line + b'\n \r\n{"id": 2}'))
    assert found.rows() == [("1", 5), ("2", 9)]
    assert (tally.rows, tally.bad, tally.first[0][0]) == (3, 1, 7)
    assert len(tally.first[0][1]) < 120


@pytest.mark.parametrize(
    ("line", "kind"), [(b"null", "NoneType"), (b"None", "NoneType"), (b"[1]", "list"), (b"'a'", "str")]
)
def test_what_is_no_record_is_told_by_its_kind(line: bytes, kind: str) -> None:
    _, tally = BlockReader(Path("x"), ids)(Block(1, line))
    assert tally.first == [(1, f"a {kind}, expected a record {{…}}")]


def test_a_stray_backslash_is_one_and_gives_no_warning() -> None:
    found, tally = BlockReader(Path("x"), ids)(Block(1, rb"{'id': 'a\S'}"))
    assert (found["id"].to_list(), tally.bad) == (["a\\S"], 0)
    assert parse(rb"{'id': '\\ud83d'}") == {"id": "\\ud83d"}
    assert parse(rb'{"id": "\ud83d\ude00"}') == {"id": "😀"}


def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "blocks", lambda path, limits, wrap: blocks(path, limits, wrap, size=40))
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


def test_blocks_read_by_processes_come_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [repr({"id": n}) if n % 3 else json.dumps({"id": n}) for n in range(60)]
    (tmp_path / "x").write_text("\n".join([*lines, "{[1]: 2}"]))
    small_blocks(monkeypatch)
    tally = Tally(tmp_path / "x")
    found = pl.concat(read_records(tally.path, ids, tally, LIMITS))
    assert found.rows() == [(str(n), n + 1) for n in range(60)]
    assert (tally.rows, tally.bad, tally.first[0][0]) == (61, 1, 61)


def test_a_process_that_dies_is_told_with_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_text("{'id': 1}\n" * 60)
    small_blocks(monkeypatch)
    with pytest.raises(ValueError, match=r"x near line 1: the process that read it was ended from outside"):
        list(read_records(tmp_path / "x", dying, Tally(tmp_path / "x"), LIMITS))


def test_the_fields_of_the_first_record(tmp_path: Path) -> None:
    for text, wanted in (
        (b"{'b': 1, 'a': 2}\n[", ["a", "b"]),
        (b'{"c": 1}', ["c"]),
        (b"[1]", []),
        (b"", []),
        (b"x", []),
    ):
        (tmp_path / "x").write_bytes(text)
        assert first_fields(tmp_path / "x") == wanted
