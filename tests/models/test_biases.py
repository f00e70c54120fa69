"""Biases: equations by hand, which settings validation chooses among, and from what."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

import models
from engine.tables import store
from engine.tables.lacking import Lacking
from engine.tables.layout import Layout
from engine.tables.params import read_yaml
from engine.tables.schemas import CASES, ITEMS, SPLIT, USERS
from engine.training import weights
from engine.training.catalog import Catalog
from engine.training.interactions import Interactions
from models.biases import Biases
from stages import train
from tests.models.test_iarn import STORY, few
from tests.models.world import section

ROOT = Path(__file__).parent.parent.parent


def solved(events: Interactions, **changes: Any) -> Biases:
    choice = section("biases", "both")
    model = models.build(choice.model_copy(update={"settings": choice.settings | changes}), Catalog(4), 3)
    assert isinstance(model, Biases)
    model.solve(events)
    return model


def test_biases_by_hand() -> None:
    """Ratings 4 2 | 3 1 of users 1, 2 for items 1, 2; mean 2.5; one sweep, item damping 2, user damping 1."""
    events = few([(1, 1, 4.0, 1), (1, 2, 2.0, 2), (2, 1, 3.0, 1), (2, 2, 1.0, 2)])
    model = solved(events, sweeps=1, item_damping=2, user_damping=1)
    # items: (1.5 + .5) / (2 + 2) = .5, (-.5 - 1.5) / 4 = -.5; users: (1 + 0) / 3, (0 - 1) / 3
    assert model.item_N.tolist() == pytest.approx([0, 0.5, -0.5, 0, 0])
    assert model.user_U.tolist() == pytest.approx([0, 1 / 3, -1 / 3, 0])
    batch = events.pairs(torch.tensor([0, 3]))
    assert model.rate(batch, torch.tensor([1, 3])).tolist() == pytest.approx([2.5 + 1 / 3 + 0.5, 2.5 - 1 / 3])


def test_a_users_bias_from_the_history_by_hand() -> None:
    """As above, and user 3 came later: ratings 5 and 4 of items 1 and 2, then item 1 is asked; the mean stays 2.5."""
    known = [(1, 1, 4.0, 1), (1, 2, 2.0, 2), (2, 1, 3.0, 1), (2, 2, 1.0, 2)]
    model = solved(few(known), sweeps=1, item_damping=2, user_damping=1, person="history", length=8)
    later = few([*known, (3, 1, 5.0, 3), (3, 2, 4.0, 4), (3, 1, 0.5, 5)])
    batch = later.before(torch.tensor([3, 3]), torch.tensor([0, 2]), model.needs)
    # nobody's history: 2.5 + .5; then (5 - 2.5 - .5 + 4 - 2.5 + .5) / (2 + 1) = 4 / 3
    assert model.rate(batch, torch.tensor([1, 1])).tolist() == pytest.approx([3.0, 3.0 + 4 / 3])
    with pytest.raises(ValueError, match="reads the ratings of the history"):
        model.rate(replace(batch, rating_BL=None), torch.tensor([1, 1]))


def test_the_mean_is_a_variant_and_sweeps_converge() -> None:
    events = few([(1, 1, 4.0, 1), (1, 2, 2.0, 2), (2, 1, 3.0, 1)])
    batch = events.pairs(torch.tensor([0, 1, 2]))
    item_B = torch.tensor([1, 2, 1])
    assert solved(events, of="none").rate(batch, item_B).tolist() == [3.0, 3.0, 3.0]
    exact = solved(events, sweeps=200, item_damping=0, user_damping=0).rate(batch, item_B)
    assert exact.tolist() == pytest.approx([4.0, 2.0, 3.0], abs=1e-4)
    with pytest.raises(Lacking, match="these events have none"):
        solved(replace(events, rating_E=None))


def test_only_the_last_ratings_of_a_history_are_read_and_the_choice_is_kept_with_the_weights() -> None:
    """Mean 2.5 and no item bias (damping 1e9); user 3 rated 5, 4, 1; without damping, of the last 1, 2 or 3."""
    known = [(1, 1, 4.0, 1), (1, 2, 2.0, 2), (2, 1, 3.0, 1), (2, 2, 1.0, 2)]
    model = solved(few(known), item_damping=1e9, user_damping=0, person="history", length=[1, 3, 2])
    assert model.needs.length == 3
    batch = few([*known, (3, 1, 5.0, 3), (3, 2, 4.0, 4), (3, 1, 1.0, 5), (3, 1, 1.0, 6)]).before(
        torch.tensor([3, 1]), torch.tensor([3, 1]), model.needs
    )
    expected = {1: [1.0, 4.0], 3: [10 / 3, 4.0], 2: [2.5, 4.0]}
    for choice in model.choices:
        model.choose(choice)
        found = model.rate(batch, torch.tensor([1, 1]))
        assert found.tolist() == pytest.approx(expected[int(choice["length"])])
        other = solved(few(known), item_damping=1e9, user_damping=0, person="history", length=[1, 3, 2])
        other.load_state_dict(model.state_dict())
        assert torch.equal(other.rate(batch, torch.tensor([1, 1])), found)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({}, {"user_damping", "item_damping"}),
        ({"person": "history"}, {"length", "user_damping", "item_damping"}),
        ({"of": "item", "person": "history"}, {"item_damping"}),
        ({"of": "user"}, {"user_damping"}),
        ({"of": "none"}, set()),
    ],
)
def test_only_settings_that_act_are_tried(changes: dict[str, Any], names: set[str]) -> None:
    lists = {"length": [1, 2], "user_damping": [3, 4], "item_damping": [5, 6]}
    choices = solved(few(STORY), **lists, **changes).choices
    assert len(choices) == 2 ** len(names)
    assert {name for choice in choices for name in choice} == names


def test_a_list_of_choices_is_checked() -> None:
    for wrong in ([], [1, 0]):
        with pytest.raises(ValueError, match=r"models\.biases\.length"):
            solved(few(STORY), length=wrong)


def test_validation_chooses_the_length_and_never_sees_test(tmp_path: Path) -> None:
    """Tastes turn after ten ratings: the last two tell the validation rating, all twelve what test holds."""
    tables, kept = {}, {}
    for test in (5.0, 1.0):
        layout = Layout(tmp_path / str(test), "global_time")
        rows = []
        for user in range(1, 7):
            ratings = [5.0] * 10 + [1.0] * 2 + [1.0] + [test] * 3
            parts = ["train"] * 12 + ["valid"] + ["test"] * 3
            when = [datetime(2020, 1, 1 + n, tzinfo=UTC) for n in range(16)]
            rows += [(user, n, 1 + n % 4, when[n], parts[n], ratings[n]) for n in range(16)]
        split = pl.DataFrame(rows, schema=dict(SPLIT.columns), orient="row")
        store.write(split, layout.split, SPLIT, {"items": 4, "users": 6})
        items = [(n, str(n), None, None, None) for n in range(1, 5)]
        store.write(pl.DataFrame(items, schema=dict(ITEMS.columns), orient="row"), layout.items, ITEMS)
        people = [(n, str(n)) for n in range(1, 7)]
        store.write(pl.DataFrame(people, schema=dict(USERS.columns), orient="row"), layout.users, USERS)
        cases = [(1, "valid", 1, 12, 1, None), (2, "test", 1, 13, 2, None)]
        store.write(pl.DataFrame(cases, schema=dict(CASES.columns), orient="row"), layout.cases, CASES)
        choice = section("biases", "history")
        settings = choice.settings | {"length": [12, 2, 6], "user_damping": 0, "item_damping": 1e9}
        params = train.Params(
            model=choice.model_copy(update={"settings": settings}),
            seen="kept",
            train=read_yaml(ROOT / "params.yaml")["train"],
            device="cpu",
            seed=1,
        )
        train.main(params, layout)
        tables[test] = json.loads(layout.metric("valid").read_text())
        kept[test] = weights.load(layout.weights, "cpu")[1]
    assert tables[5.0] == tables[1.0]
    assert (tables[1.0]["chosen_length"], tables[1.0]["best_epoch"]) == (2, 2)
    assert tables[1.0]["valid_rmse"] == pytest.approx(0, abs=1e-4)
    assert all(torch.equal(value, kept[1.0][name]) for name, value in kept[5.0].items())
