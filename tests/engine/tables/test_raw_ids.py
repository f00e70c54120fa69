"""People by their raw ids: text, of which YAML may have made numbers."""

import pytest

from engine.tables.raw_ids import RawId, named
from engine.tables.settings import Record, checked
from stages.explain.examples.settings import Example

KNOWN = ["7", "007", "08", "12", "-03", "ann"]


def test_each_is_named_once_in_the_order_asked() -> None:
    assert named(["ann", 12, "12", "ann", "007"], KNOWN, "here") == ["ann", "12", "007"]


def test_a_number_that_is_what_several_ids_read_as_is_refused() -> None:
    with pytest.raises(ValueError, match=r"here: 7 may be '7' or '007': write the id in quotes"):
        named([7], KNOWN, "here")
    assert named(["7", "007"], KNOWN, "here") == ["7", "007"]


@pytest.mark.parametrize(("number", "meant"), [(8, "08"), (-3, "-03")])
def test_a_number_that_nobody_is_called_by_is_told_the_id_that_reads_so(number: int, meant: str) -> None:
    with pytest.raises(ValueError, match=rf"here: nobody is called '{number}', but '{meant}': write the id in quotes"):
        named([number], KNOWN, "here")


def test_who_is_unknown_is_named_and_counted() -> None:
    with pytest.raises(ValueError, match=r"here: nobody is called 'bob' \(2 of 3 unknown\)"):
        named(["bob", "ann", 99], KNOWN, "here")


@pytest.mark.parametrize("found", [True, 7.0, None])
def test_what_is_neither_text_nor_a_whole_number_is_no_id(found: object) -> None:
    class Asked(Record):
        people: tuple[RawId, ...]

    assert checked(Asked, {"people": ["a", 7]}, "top").people == ("a", 7)
    with pytest.raises(ValueError, match=r"top\.people\.0: .* \(found "):
        checked(Asked, {"people": [found]}, "top")


def test_true_is_neither_one_person_nor_an_id_of_an_example() -> None:
    shown = {
        "title": "x",
        "series": {"A": {"cell": "a", "weights": {"w": {"over": "history", "reading": "influence"}}}},
    }
    for found in (True, [True]):
        with pytest.raises(ValueError, match=r"top\.people.*true or false|top\.people\.0: .* \(found True\)"):
            checked(Example, shown | {"people": found}, "top")
