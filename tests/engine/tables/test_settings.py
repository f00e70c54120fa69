"""Sections of params.yaml: what is wrong is said with its place, what was found and which keys there are."""

from io import StringIO
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, create_model
from ruamel.yaml import YAML

from engine.tables.params import declared, override, places
from engine.tables.settings import Choice, Record, Seed, checked


class Inner(Record):
    size: int = Field(ge=1)


class Outer(Record):
    name: str
    inner: Inner


def message(settings: dict[str, Any], where: Any = "top") -> str:
    with pytest.raises(ValueError, match=r"params\.yaml: ") as raised:
        checked(Outer, settings, where)
    return str(raised.value)


def test_a_misspelt_key_is_refused_with_the_keys_of_its_own_section() -> None:
    assert message({"name": "a", "inner": {"size": 1, "sise": 2}}).endswith(
        "top.inner.sise: Extra inputs are not permitted (found 2); known keys: size"
    )
    assert message({"name": "a", "inner": {"size": 1}, "nam": 1}).endswith("(found 1); known keys: inner, name")


def test_the_place_is_that_in_the_file() -> None:
    wrong = {"name": "a", "inner": {"size": 0}}
    assert "top.inner.size: Input should be greater than or equal to 1 (found 0)" in message(wrong)
    assert "contents.demo.text.size: " in message(wrong, {"inner": "contents.demo.text"})


@pytest.mark.parametrize("text", [".inf", "-.inf", ".nan"])
def test_a_number_that_is_none_is_refused(text: str) -> None:
    class Decay(Record):
        decay: float

    value = YAML(typ="safe").load(text)
    with pytest.raises(ValueError, match=r"params\.yaml: top\.decay: Input should be a finite number"):
        checked(Decay, {"decay": value}, "top")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (int, True), (float, False), (Annotated[int, Field(ge=0)], False), (Seed, True), (int | Literal["given"], True),
        (list[int], [3, True]), (list[int] | int, True), (dict[str, float], {"a": True}), (tuple[int, int], [True, 2]),
    ],
)  # fmt: skip
def test_true_and_false_are_no_numbers(kind: Any, value: Any) -> None:
    made = create_model("Made", __base__=Record, size=(kind, ...))
    with pytest.raises(ValueError, match=r"params\.yaml: top\.size: Input should be a number, not true or false"):
        checked(made, {"size": value}, "top")


@pytest.mark.parametrize(
    ("kind", "value"), [(bool, True), (bool | int, False), (dict[str, Any], {"a": True}), (list[bool | int], [True, 2])]
)
def test_where_they_are_asked_for_they_stay_what_they_are(kind: Any, value: Any) -> None:
    made = create_model("Made", __base__=Record, size=(kind, ...))
    assert repr(checked(made, {"size": value}, "top").model_dump()["size"]) == repr(value)


def test_a_missing_key_does_not_show_the_whole_section() -> None:
    assert message({"inner": {"size": 1}}) == "params.yaml: top.name: Field required"


def test_aliases_that_stand_for_gigabytes_do_not_fill_the_message() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    bomb = YAML(typ="safe").load(StringIO("\n".join(lines)))
    assert len(message({"name": bomb["a8"], "inner": {"size": 1}})) < 2000
    assert len(message({"name": 1, "inner": "y" * 10**6})) < 2000


PIPELINE = {
    "stages": {
        "train": {"params": ["models.${model}", "protocols.${protocol}.seen", "seed"]},
        "text": {"params": ["contents.${content}.text"]},
        "check": {"deps": ["params.yaml"]},
    }
}


def params() -> dict[str, Any]:
    return {
        "model": "a",
        "models": {"a": {"dim": 1}, "b": {"dim": 2}},
        "protocol": "p",
        "protocols": {"p": {"seen": "kept"}},
        "content": "c",
        "contents": {"c": {"text": {"limit": 3}}},
        "seed": 5,
    }


def test_a_stage_gets_what_dvc_yaml_declares_and_no_more() -> None:
    found = declared("train", params(), PIPELINE)
    assert found == {"model": Choice(name="a", settings={"dim": 1}), "seen": "kept", "seed": 5}
    assert declared("text", params(), PIPELINE) == {"text": {"limit": 3}}
    assert declared("check", params(), PIPELINE) == {"params": params()}
    assert places("text", params(), PIPELINE) == {"text": "contents.c.text"}
    with pytest.raises(KeyError, match="no stage 'tain'"):
        declared("tain", params(), PIPELINE)


def test_what_is_chosen_and_not_there_is_named_with_what_is() -> None:
    with pytest.raises(KeyError, match=r"no 'z' in 'models\.z'; it has \['a', 'b'\]"):
        declared("train", params() | {"model": "z"}, PIPELINE)


def test_an_override_sets_a_key_that_is_there() -> None:
    found = params()
    override(found, "models.b.dim=7")
    assert found["models"]["b"]["dim"] == 7
    with pytest.raises(KeyError, match=r"no 'dam' in 'models\.b\.dam'; it has .*\+models\.b\.dam=… adds"):
        override(found, "models.b.dam=7")
    with pytest.raises(KeyError, match="no 'z'"):
        override(found, "models.z.dim=7")
    with pytest.raises(ValueError, match="key=value"):
        override(found, "models.b.dim")
    with pytest.raises(ValueError, match="key=value"):
        override(found, "+++models.b.dim=7")
    for key, held in (
        ("seed.x", "seed is 5"),
        ("model.a", "model is 'a'"),
        ("+models.b.dim.x.y", "models.b.dim is 7"),
    ):
        with pytest.raises(KeyError, match=f"{held} and has no keys"):
            override(found, f"{key}=3")


@pytest.mark.parametrize("text", ["|", ">", ",", "|-", "::", "-", "~", " ", "@id", "*x", "%", "[a", "#id", "a #b", "'"])
def test_what_is_no_yaml_and_signs_alone_are_text(text: str) -> None:
    found = params()
    override(found, f"model={text}")
    assert found["model"] == text


def test_what_is_yaml_is_read_as_yaml() -> None:
    found = params()
    for text, value in (("'|'", "|"), ('"1"', "1"), ("1e-3", 0.001), ("[]", []), ("[a, 2]", ["a", 2]), ("true", True)):
        override(found, f"model={text}")
        assert found["model"] == value


def test_a_chosen_section_that_is_none_is_refused_with_its_place() -> None:
    with pytest.raises(ValueError, match=r"params.yaml: models.a is 5, expected a section"):
        declared("train", params() | {"models": {"a": 5}}, PIPELINE)


def test_a_plus_adds_what_stands_in_the_defaults_alone() -> None:
    found = params()
    override(found, "+models.b.inner=7")
    override(found, "+models.b.train.lr=1e-3")
    override(found, "++models.b.inner=8")
    override(found, "++models.b.dropout=0.5")
    assert found["models"]["b"] == params()["models"]["b"] | {"inner": 8, "train": {"lr": 0.001}, "dropout": 0.5}
    with pytest.raises(KeyError, match=r"has 'models\.b\.dim' already; without the plus"):
        override(found, "+models.b.dim=7")
    with pytest.raises(KeyError, match="no 'modles'"):
        override(found, "+modles.b.dim=7")


def test_what_is_neither_of_several_kinds_is_told_once_at_its_place() -> None:
    class Kinds(Record):
        cases: Annotated[int, Field(ge=0)] | Literal["none"] = 0
        people: tuple[str | int, ...] = ()

    with pytest.raises(ValueError, match=r"params\.yaml: ") as raised:
        checked(Kinds, {"cases": "all", "people": "ann"}, "top")
    assert str(raised.value).split("\n") == [
        "params.yaml: top.cases: Input should be a valid integer, unable to parse string as an integer, "
        "or Input should be 'none' (found 'all')",
        "top.people: Input should be a list, e.g. [a, b] (found 'ann')",
    ]
    with pytest.raises(ValueError, match=r"top\.people\.0: .* \(found None\)$"):
        checked(Kinds, {"people": [None]}, "top")


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_no_generator_takes_is_refused(seed: int) -> None:
    class Drawn(Record):
        seed: Seed

    assert checked(Drawn, {"seed": 2**32 - 1}, {"seed": "seed"}).seed == 2**32 - 1
    with pytest.raises(ValueError, match=rf"params\.yaml: seed: Input should be .* \(found {seed}\)"):
        checked(Drawn, {"seed": seed}, {"seed": "seed"})
