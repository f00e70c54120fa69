"""What everyone is shown: all of their history counts, what they had is left out, and reasons are true."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import models
from engine.evaluation.erasure import erase_events
from engine.evaluation.question import log_probability
from engine.evaluation.top import top
from engine.tables import store
from engine.tables.layout import Layout
from engine.tables.schemas import CASES, ITEMS, RECOMMENDATIONS, SPLIT, USERS
from engine.tables.settings import Choice
from engine.training.source import Data, load
from engine.training.trained_on import trained_on
from stages import train
from stages.recommend import __main__ as recommend

EASE = Choice(name="ease", settings={})
POPULARITY = Choice(name="popularity", settings={})
PEOPLE, ITEM = 12, 14


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """Twelve people who go on from item to item; the last act of each is held out."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    made = Layout(tmp_path, "temporal")
    rows = [
        (u, p, 1 + (u + p) % ITEM, None, {4: "valid", 5: "test"}.get(p, "train"), None)
        for u in range(1, PEOPLE + 1)
        for p in range(6)
    ]
    store.write(
        pl.DataFrame(rows, schema=dict(SPLIT.columns), orient="row"),
        made.split,
        SPLIT,
        {"items": ITEM, "users": PEOPLE},
    )
    cases = [(u, "valid", u, 4, 1 + (u + 4) % ITEM, None) for u in range(1, PEOPLE + 1)]
    store.write(pl.DataFrame(cases, schema=dict(CASES.columns), orient="row"), made.cases, CASES)
    users = [(u, f"p{u}") for u in range(1, PEOPLE + 1)]
    store.write(pl.DataFrame(users, schema=dict(USERS.columns), orient="row"), made.users, USERS)
    items = [(i, str(100 + i), f"Film, {i}" if i > 3 else None, None, None) for i in range(1, ITEM + 1)]
    store.write(pl.DataFrame(items, schema=dict(ITEMS.columns), orient="row"), made.items, ITEMS)
    return made


def recommended(layout: Layout, model: Choice, **settings: object) -> pl.DataFrame:
    train.main(train.Params(model=model, seen="excluded", device="cpu"), layout)
    params = recommend.Params(
        model=model,
        seen="excluded",
        recommend=recommend.Recommend(**settings),
        device="cpu",  # type: ignore[arg-type]
    )
    recommend.main(params, layout)
    return store.read(layout.recommendations, RECOMMENDATIONS)


def loaded(layout: Layout, model: Choice) -> tuple[models.Recommender, Data]:
    needs = models.configure(model).needs
    data = load(layout, needs, "test", "cpu")
    return models.restore(model, data.catalog, data.users, layout.weights, trained_on(layout, needs)), data


def test_everyone_gets_the_first_items_after_all_that_they_did(layout: Layout) -> None:
    table = recommended(layout, EASE, top=4)
    model, data = loaded(layout, EASE)
    user_C = torch.arange(1, PEOPLE + 1)
    item_CK, score_CK = top(model, user_C, torch.full((PEOPLE,), 6), data.events, 4)
    assert table["item"].to_list() == [str(100 + i) for i in item_CK.flatten().tolist()]
    np.testing.assert_allclose(table["score"].to_numpy(), score_CK.flatten().numpy(), rtol=1e-6)
    assert table["user"].to_list() == [f"p{u}" for u in range(1, PEOPLE + 1) for _ in range(4)]
    assert table["rank"].to_list() == [1, 2, 3, 4] * PEOPLE
    for user, item in table.select("user", "item").iter_rows():  # held-out acts are had, too
        assert (int(item) - 101 - int(user[1:])) % ITEM > 5
    again = pl.read_csv(layout.recommendations_csv, schema=dict(RECOMMENDATIONS.columns))
    assert again.equals(table.with_columns(again["score"]))


def test_the_act_that_is_named_lowers_the_score_where_it_is_left_out(layout: Layout) -> None:
    table = recommended(layout, EASE, top=5, because=3)
    assert table.filter(pl.col("rank") > 3)["because"].null_count() == 2 * PEOPLE
    named = table.drop_nulls("because")
    assert named.height > PEOPLE
    model, data = loaded(layout, EASE)
    for user, item, because in named.select("user", "item", "because").iter_rows():
        batch = data.events.before(torch.tensor([int(user[1:])]), torch.tensor([6]), model.needs)
        title = because.removeprefix("because of ")
        act = int(title.removeprefix("Film, ")) if title.startswith("Film") else int(title) - 100
        asked_B = torch.tensor([int(item) - 100])
        gone_BL = batch.item_BL == act
        assert int(gone_BL.sum()) == 1
        with torch.no_grad():
            assert log_probability(model, erase_events(batch, gone_BL), asked_B) < log_probability(
                model, batch, asked_B
            )


def test_a_plain_factor_model_says_nothing(layout: Layout) -> None:
    table = recommended(layout, Choice(name="bpr_mf", settings={"dim": 2, "train": {"epochs": 1}}), top=3, because=3)
    assert table["because"].null_count() == table.height == 3 * PEOPLE


def test_that_many_did_it_is_said_only_of_what_more_did_than_the_mean(layout: Layout) -> None:
    table = recommended(layout, POPULARITY, top=8, because=8)
    _, data = loaded(layout, POPULARITY)
    count_N = torch.bincount(data.train.item_E, minlength=ITEM + 1)[1:].float()
    more = {str(101 + place) for place in (count_N > count_N.mean()).nonzero()[:, 0].tolist()}
    said, silent = table.drop_nulls("because"), table.filter(pl.col("because").is_null())
    assert set(said["because"]) == {"because many have acted on it"}
    assert set(said["item"]) == more & set(table["item"])
    assert silent.height
    assert not more & set(silent["item"])


def test_some_are_asked_for_by_name_and_an_unknown_one_is_refused(layout: Layout) -> None:
    table = recommended(layout, POPULARITY, top=2, people=("p7", "p2"), because=0)
    assert table["user"].to_list() == ["p2", "p2", "p7", "p7"]
    with pytest.raises(ValueError, match=r"recommend\.people: nobody is called 'p99' \(1 of 2 unknown\)"):
        recommended(layout, POPULARITY, people=("p7", "p99"))
    names = pl.DataFrame({"user": [1, 2], "raw": ["007", "7"]})
    assert recommend.people(names, ("007",))["user"].to_list() == [1]
    with pytest.raises(ValueError, match=r"recommend\.people: 7 may be '7' or '007': write the id in quotes"):
        recommend.people(names, (7,))


def test_who_has_nearly_everything_gets_what_is_left(layout: Layout) -> None:
    assert recommended(layout, POPULARITY, top=20).group_by("user").len()["len"].to_list() == [ITEM - 6] * PEOPLE


def test_people_are_gone_through_in_parts(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = recommended(layout, EASE, top=3, because=2)
    assert whole["because"].n_unique() > PEOPLE / 2, "sentences that tell people apart"
    monkeypatch.setattr(recommend, "PEOPLE", 5)
    monkeypatch.setattr(recommend, "ROWS", 4)  # two people's reasons at a time
    assert recommended(layout, EASE, top=3, because=2).equals(whole)
