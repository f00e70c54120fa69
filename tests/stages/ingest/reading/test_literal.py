import ast
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stages.ingest.reading import literal

plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
value = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=20
)
rich = st.text(alphabet="ab'\"\\\n\t\r\x00\x07\x7fé\u2028\ud83d😀{}[],: u/x01NoneTrue")


def lines(*written: str) -> list[object]:
    return list(literal.each("".join(f"{line}\n" for line in written).encode("utf-8", "surrogatepass")))


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(st.text() | rich, value | rich | st.lists(rich)))
@example({"a": 2**70, "b": -(2**63), "c": 12345678901234567, "d": 1e22, "e": 5e-324, "f": -0.0})
@example({"'": "'\\/", '"': "\ud83d\ude00'", "\\": "\\u0041 \\x41 \\"})
def test_what_repr_writes_is_read_back_exactly(found: dict[str, object]) -> None:
    twice = lines(repr(found), repr({"next": [found]}))
    assert twice == [found, {"next": [found]}]
    assert repr(twice[0]) == repr(found), "types count too: 1, 1.0 and True are three things"


@settings(max_examples=400, deadline=None)
@given(st.text(alphabet="'\"\\ux019eE+-.,:{}[]() NoneTrueFalsnul\t#", max_size=24))
@example("{'a': 'b' 'c'}")
@example("{'a': u'b', 'c': [1, 2,], 'd': (3, 4), 'e': {5}}")
@example("['\\ud83d\\ude00']")
@example("['\\/']")
@example("{'a': '\\/', \"b\": '\\ud83d\\ude00', 'c': '\\x41\\101\\a\\N{DIGIT ONE}'}")
@example("{'a': 1_000, 'b': 0x10, 'c': 1e400, 'd': r'\\n', 'e': b'x', 'f': '''g'''}")
@example("[noneTrue]")
@example("['a'None]")
@example("[1e5, 1.e5, 1E5, +1, --1, 00]")
def test_any_line_means_what_literal_eval_says(line: str) -> None:
    try:
        wanted = ast.literal_eval(line.strip())
    except (ValueError, SyntaxError):
        found = lines(line)[0]
        assert isinstance(found, ValueError | SyntaxError) or (found is None and not line.strip())
        return
    assert repr(lines(line)) == repr([wanted])


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(["a", "b", "title", "é", "'", '"', "a\\"]) | st.text(max_size=2), value | rich))
@example({"x": [1, {"a": 2}], "a": {"x": 3, "b": ":,{}[]"}, "title": None})
def test_fields_that_nobody_asked_for_are_none(found: dict[str, object]) -> None:
    wanted = frozenset(["a", "title", "é"])
    kept = {key: each if key in wanted else None for key, each in found.items()}
    text = f"{found!r}\n{ {'k': found}!r}\n{[found]!r}\n".encode("utf-8", "surrogatepass")
    assert list(literal.each(text, wanted)) == [kept, {"k": None}, [found]]


@pytest.mark.parametrize(
    "line",
    ["{'a': 1, 'x': [1, 'y': 2}", "{'a': 1, 'x': 'y}", "{'a': 1, 'x': [2}", "{'a': 1, 'x': 2: 3}", "{'a': 1, 'x': 2"],
)
def test_a_field_passed_over_must_end(line: str) -> None:
    assert isinstance(next(literal.each(line.encode(), frozenset("a"))), SyntaxError)


def test_a_field_passed_over_ends_with_its_line() -> None:
    first, second, third = literal.each(b"{'x': 'a\\\n', 'a': 1}\n{'a': 2, 'x': '\\\\'}", frozenset("a"))
    assert isinstance(first, SyntaxError)
    assert isinstance(second, SyntaxError)
    assert third == {"a": 2, "x": None}


def test_a_name_spelt_in_escapes_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(literal.each(rb"{'\x61': 1, '\x62': 2}", frozenset("a"))) == [{"a": 1, "b": None}]


def test_most_lines_take_the_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(line: bytes) -> object:
        raise AssertionError(line)

    record = {
        "asin": "0000031852",
        "title": 'Girl\'s "Tutu" é\n',
        "price": 3.17,
        "related": {"a": ["B1", "B2"]},
        "n": None,
    }
    monkeypatch.setattr(literal, "evaluated", never)
    assert lines(repr(record), repr(record).replace(": '", ": u'"), r"{'a': '\x41\u00e9\'\"'}") == [
        record,
        record,
        {"a": "Aé'\""},
    ]


def test_nothing_is_ever_run() -> None:
    found = lines("__import__('os').getcwd()", "{'a': open('x')}", "[i for i in (1,)]", "{'a': 1}")
    assert [type(each) for each in found] == [ValueError, ValueError, ValueError, dict]


@pytest.mark.parametrize("line", [b"{'a': 'b", b"{'a': '\xff'}", b"{'a': 'b'", b"'a\x00b'", b"[" * 100_000])
def test_a_broken_line_is_an_error_of_its_own(line: bytes) -> None:
    before, broken, empty, after = literal.each(b"{'x': 1}\n" + line + b"\n \n{'y': 2}")
    assert (before, empty, after) == ({"x": 1}, None, {"y": 2})
    assert isinstance(broken, ValueError | SyntaxError | MemoryError | RecursionError)


def test_strict_json_is_no_literal() -> None:
    assert isinstance(lines(json.dumps({"a": None}))[0], ValueError)
