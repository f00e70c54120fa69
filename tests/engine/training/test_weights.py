"""Weights say what they were learned by, and are refused where something else is asked."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

import models
from engine.tables import store
from engine.tables.layout import Layout
from engine.tables.schemas import ITEMS, SPLIT, TOPIC_ITEMS, USERS, VECTORS
from engine.tables.settings import Choice
from engine.training import weights
from engine.training.source import load
from engine.training.trained_on import trained_on
from engine.training.weights import Learned
from tests.serving.shop import written

FDSA = {"dim": 4, "heads": 1, "length": 6, "features": ["categories", "text"]}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return written(tmp_path).layout


def kept(name: str, settings: dict[str, Any], layout: Layout) -> None:
    choice = Choice(name=name, settings=settings)
    config = models.configure(choice)
    data = load(layout, config.needs, "valid", "cpu")
    state = models.build(choice, data.catalog, data.users).state_dict()
    weights.save(state, Learned.of(name, config, trained_on(layout, config.needs)), layout.weights)


def restored(name: str, settings: dict[str, Any], layout: Layout) -> models.Recommender:
    choice = Choice(name=name, settings=settings)
    needs = models.configure(choice).needs
    data = load(layout, needs, "valid", "cpu")
    return models.restore(choice, data.catalog, data.users, layout.weights, trained_on(layout, needs))


def renamed(layout: Layout) -> None:
    items = store.read(layout.items, ITEMS)
    store.write(items.with_columns(raw=pl.col("raw").replace({"f3": "f99"})), layout.items, ITEMS)


def swapped(layout: Layout) -> None:
    """Two items change places: as many, with the same names."""
    items = store.read(layout.items, ITEMS)
    store.write(items.with_columns(raw=pl.col("raw").replace({"f3": "f4", "f4": "f3"})), layout.items, ITEMS)


def newcomers(layout: Layout) -> None:
    users = store.read(layout.users, USERS)
    store.write(users.with_columns(raw=pl.col("raw").replace({"p3": "p4", "p4": "p3"})), layout.users, USERS)


def regrouped(layout: Layout) -> None:
    items = store.read(layout.items, ITEMS)
    store.write(items.with_columns(categories=pl.col("categories").reverse()), layout.items, ITEMS)


def encoded(layout: Layout) -> None:
    store.write(store.read(layout.text, VECTORS), layout.text, VECTORS, {"encoder": "bert"})


def retold(layout: Layout) -> None:
    topics = store.read(layout.topic_items, TOPIC_ITEMS)
    about = store.meta(layout.topic_items)
    store.write(topics.with_columns(pl.col("share").reverse()), layout.topic_items, TOPIC_ITEMS, about)


@pytest.mark.parametrize(
    ("name", "settings", "change", "told"),
    [
        ("sasrec", {"dim": 4, "length": 6}, {"length": 5}, "models.sasrec.length was 6 and is 5"),
        ("sasrec", {"dim": 4, "length": 6}, {"dropout": 0.4}, "models.sasrec.dropout was 0.2 and is 0.4"),
        (
            "fdsa",
            FDSA,
            {"features": ["text"]},
            "features was ['categories', 'text'] and is ['text']; the items were others",
        ),
        ("gru4rec", {"dim": 4}, renamed, "the items were others"),
        ("gru4rec", {"dim": 4}, swapped, "the items were others"),
        ("fdsa", FDSA, regrouped, "the items were others"),
        ("fdsa", FDSA, encoded, "views.text.encoder was None and is 'bert'"),
        ("bpr_mf", {"dim": 4}, newcomers, "the people were others"),
        ("ctr_bpr", {}, retold, "the topics were others"),
    ],
)
def test_what_was_learned_by_something_else_is_refused_with_both_sides(
    layout: Layout, name: str, settings: dict[str, Any], change: dict[str, Any] | Callable[[Layout], None], told: str
) -> None:
    kept(name, settings, layout)
    assert restored(name, settings, layout)
    if callable(change):
        change(layout)
        asked = settings
    else:
        asked = settings | change
    with pytest.raises(ValueError, match=r"weights\.pt does not hold models\.") as refused:
        restored(name, asked, layout)
    assert str(refused.value).endswith(told)


def test_what_a_model_does_not_read_may_change(layout: Layout) -> None:
    kept("gru4rec", {"dim": 4}, layout)
    regrouped(layout)
    encoded(layout)
    retold(layout)
    newcomers(layout)
    assert restored("gru4rec", {"dim": 4}, layout)


def test_a_default_that_is_spelled_out_is_no_other_setting(layout: Layout) -> None:
    kept("sasrec", {"dim": 4, "length": 6}, layout)
    assert restored("sasrec", {"dim": 4, "length": 6, "dropout": 0.2}, layout)


def test_weights_of_another_protocol_know_other_events(layout: Layout) -> None:
    """Learned from everything, they know the test cases of leave_one_out."""
    kept("popularity", {}, replace(layout, protocol="everything", prepared=layout.split.parent))
    learned, state = weights.load(layout.weights, "cpu")
    with pytest.raises(ValueError, match="protocol was 'everything' and is 'temporal'"):
        restored("popularity", {}, layout)
    here = learned.data.model_copy(update={"protocol": "temporal"})
    weights.save(state, learned.model_copy(update={"data": here}), layout.weights)
    assert restored("popularity", {}, layout)


@pytest.mark.parametrize("moved", [("train", "test"), ("test", "train")])
def test_weights_of_another_split_of_the_same_protocol_are_no_test_of_this_one(
    layout: Layout, moved: tuple[str, str]
) -> None:
    """Another share that trains: what is tested now may have been learned."""
    choice, needs = (
        Choice(name="popularity", settings={}),
        models.configure(Choice(name="popularity", settings={})).needs,
    )
    data = load(layout, needs, "valid", "cpu")
    learned = Learned.of("popularity", models.configure(choice), trained_on(layout, needs, tested=True))
    state = models.build(choice, data.catalog, data.users).state_dict()
    weights.save(state, learned, layout.weights)
    given = (data.catalog, data.users, layout.weights)
    assert models.restore(choice, *given, trained_on(layout, needs, tested=True))
    split, about = store.read(layout.split, SPLIT), store.meta(layout.split)
    first = pl.int_range(pl.len()).over("part") == 0
    part = pl.when(first & (pl.col("part") == moved[0])).then(pl.lit(moved[1])).otherwise("part").alias("part")
    store.write(split.with_columns(part), layout.split, SPLIT, about)
    with pytest.raises(ValueError, match="as it is set: the training events were others"):
        models.restore(choice, *given, trained_on(layout, needs, tested=True))
    assert restored("popularity", {}, layout)  # what is shown to people may come from newer events
    earlier = learned.model_dump()
    del earlier["data"]["events"]
    weights.save(state, Learned.model_validate(earlier), layout.weights)
    assert models.restore(choice, *given, trained_on(layout, needs, tested=True))


def test_settings_that_came_later_have_their_defaults_and_unknown_ones_are_another_version(layout: Layout) -> None:
    kept("sasrec", {"dim": 4, "length": 6}, layout)
    learned, state = weights.load(layout.weights, "cpu")
    earlier = {key: value for key, value in learned.settings.items() if key != "dropout"}
    weights.save(state, learned.model_copy(update={"settings": earlier}), layout.weights)
    assert restored("sasrec", {"dim": 4, "length": 6}, layout)
    with pytest.raises(ValueError, match=r"models\.sasrec\.dropout was 0\.2 and is 0\.1"):
        restored("sasrec", {"dim": 4, "length": 6, "dropout": 0.1}, layout)
    weights.save(state, learned.model_copy(update={"settings": earlier | {"gone": 1}}), layout.weights)
    with pytest.raises(ValueError, match="settings that this version does not know"):
        restored("sasrec", {"dim": 4, "length": 6}, layout)


def test_weights_of_another_model_are_refused_by_its_name(layout: Layout) -> None:
    kept("gru4rec", {"dim": 4}, layout)
    with pytest.raises(ValueError, match=r"does not hold models\.sasrec as it is set: they are of gru4rec$"):
        restored("sasrec", {"dim": 4, "length": 6}, layout)


def test_tensors_that_are_not_the_models_are_told_in_numbers(layout: Layout) -> None:
    kept("bpr_mf", {"dim": 4}, layout)
    learned, state = weights.load(layout.weights, "cpu")
    name = next(iter(state))
    torch.save({"learned": learned.model_dump(), "weights": state | {name: state[name][:-1]}}, layout.weights)
    with pytest.raises(ValueError, match=rf"of its {len(state)} tensors 1 of another shape \({name} \["):
        restored("bpr_mf", {"dim": 4}, layout)
    torch.save({"learned": learned.model_dump(), "weights": {"other": state[name]}}, layout.weights)
    with pytest.raises(ValueError, match=rf"{len(state)} missing \(.*\), 1 unknown \(other\)"):
        restored("bpr_mf", {"dim": 4}, layout)


@pytest.mark.parametrize("held", ["text", "list", "tensor", "short", "state", "numbers"])
def test_what_holds_no_weights_is_refused_by_name(layout: Layout, held: str) -> None:
    kept("popularity", {}, layout)
    learned, state = weights.load(layout.weights, "cpu")
    other: dict[str, Any] = {"list": [1, 2], "tensor": torch.ones(2), "state": state}
    other["numbers"] = {"learned": learned.model_dump(), "weights": {"count_N": 5}}
    if held in other:
        torch.save(other[held], layout.weights)
    if held == "text":
        layout.weights.write_text("no weights at all")
    if held == "short":
        layout.weights.write_bytes(layout.weights.read_bytes()[:-50])
    with pytest.raises(ValueError, match=r"weights\.pt holds no weights"):
        restored("popularity", {}, layout)
    layout.weights.unlink()
    with pytest.raises(FileNotFoundError, match=r"weights\.pt: no weights there; `dvc repro train` makes them"):
        restored("popularity", {}, layout)
