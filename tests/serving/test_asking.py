"""What is asked by name is found or refused; what is muted says nothing; which acts decide is checked by scoring."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
import torch

import models
from engine.tables import store
from engine.tables.layout import Layout
from engine.tables.schema import Table
from engine.tables.schemas import ITEMS, SPLIT, TOPIC_ITEMS, USERS
from engine.training.contract import Prepared, Solver
from engine.training.source import load as load_data
from serving.api import Muted, Refused, as_json, load
from serving.history import EARLIEST, LATEST
from serving.own_rows import has_own_rows
from tests.models.variants import CASES
from tests.models.world import World, built, section
from tests.serving.shop import Shop, world

ROWS = {  # the models, with those variants, whose scores hang on a row of a person's own
    "bpr_mf", "caser", "ctr", "ctr_bpr", "hievh", "jrl", "mf", "mlam", "ncf", "timesvd", "vbpr",
}  # fmt: skip
SHIFTED = {("biases", "both"), ("biases", "user")}  # a row of one number
NONE = {("caser", "no_person")}


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_which_models_know_people_by_rows(name: str, variant: str) -> None:
    """Every variant of every model: solved for, or its parameters shaken."""
    assert own_rows(name, variant, world(), 9) == (
        (name in ROWS and (name, variant) not in NONE) or (name, variant) in SHIFTED
    )


@pytest.mark.parametrize(
    ("name", "known"), [*((name, True) for name in sorted(ROWS)), ("ease", False), ("sasrec", False), ("iarn", False)]
)
def test_a_single_person_has_a_row_too(name: str, known: bool) -> None:
    made = World([[1, 2, 3, 4, 5, 6, 7]], 9)
    assert own_rows(name, next(variant for model, variant in CASES if model == name), made, 6) == known


def own_rows(name: str, variant: str, made: World, stop: int) -> bool:
    """By the history of the second person, or of the single one, up to an act."""
    model = built(name, variant, made)
    if isinstance(model, Solver):
        model.solve(made.interactions(1))
    if isinstance(model, Prepared):
        model.prepare(made.interactions(1))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    model.eval()
    events = made.interactions()
    batch = events.before(torch.tensor([min(2, made.users)]), torch.tensor([stop]), model.needs)
    return has_own_rows(model, section(name, variant), made.catalog, made.users, batch)


@pytest.fixture(scope="module")
def ante(shop: Shop):  # type: ignore[no-untyped-def]
    return shop.fitted("ante_rnn", "whole")


def test_topics_are_as_in_the_data_until_something_changes(shop: Shop, ante) -> None:  # type: ignore[no-untyped-def]
    data = load_data(ante._model.layout, ante._model.needs, "test", "cpu")
    whole = data.events.before(torch.tensor([2]), torch.tensor([10]), ante._model.needs)
    history = ante.person("p2")
    batch = ante._model.asked(history, None, Muted())
    torch.testing.assert_close(batch.topic_BLT, whole.topic_BLT)
    assert torch.equal(batch.time_BL, whole.time_BL)


@pytest.mark.parametrize("user", [2, 3, 5])
@pytest.mark.parametrize("gone", [[0], [1, 2], [1, 4, 5]], ids=str)
def test_topics_without_acts_are_those_of_erasure(shop: Shop, ante, user: int, gone: list[int]) -> None:  # type: ignore[no-untyped-def]
    history = ante.person(f"p{user}")
    data = load_data(ante._model.layout, ante._model.needs, "test", "cpu")
    whole = data.events.before(torch.tensor([user]), torch.tensor([len(history.acts)]), ante._model.needs)
    length = whole.event_BL.shape[1]  # of the history that the model reads
    left = [place for place in range(length) if place not in gone]
    erased = torch.isin(torch.arange(length), torch.tensor(gone))[None]
    assert whole.profiles is not None
    expected = whole.profiles.without(whole.event_BL.numpy(), erased.numpy())[0, left]
    places = [len(history.acts) - length + place for place in gone]
    found = ante._model.asked(history.without(places), None, Muted()).topic_BLT[0, -len(left) :]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert not np.allclose(found, whole.topic_BLT[0, left])


def test_an_act_that_came_to_a_window_moves_its_topics(shop: Shop, ante) -> None:  # type: ignore[no-untyped-def]
    history = ante.person("p2")
    first, last = history.acts[0], history.acts[-1]
    assert first.time is not None
    assert last.time is not None
    assert first.time.date() < last.time.date()
    more = ante._model.asked(history.moved(len(history.acts) - 1, first.time), None, Muted()).topic_BLT[0]
    before = ante._model.asked(history, None, Muted()).topic_BLT[0]
    assert not torch.allclose(more[-1], before[-2])
    torch.testing.assert_close(more.sum(-1), torch.ones(len(more)))


def test_somebody_new_has_the_mean_of_what_they_had_in_each_window(shop: Shop, ante) -> None:  # type: ignore[no-untyped-def]
    start = datetime(2017, 7, 14, 9, tzinfo=UTC)
    new = ante.history(["f3", "f5", "f9"], times=[start, start + timedelta(hours=1), start + timedelta(days=2)])
    items = store.read(shop.layout.topic_items, TOPIC_ITEMS)
    share = dict(zip(items["item"].to_list(), items["share"].to_numpy(), strict=True))
    past = (share[3] + share[5]) / 2
    weight = np.exp(-0.1 * 2)
    found = ante._model.asked(new, None, Muted()).topic_BLT[0]
    np.testing.assert_allclose(found[1], past, rtol=1e-5)
    np.testing.assert_allclose(found[2], (weight * past + share[9]) / (1 + weight), rtol=1e-5)


def test_a_muted_word_says_nothing_in_any_act(ante) -> None:  # type: ignore[no-untyped-def]
    history = ante.person("p2")
    item = ante.recommend(history, 1)[0].item
    before, after = ante.explain(history, item), ante.explain(history, item, muted=Muted(words=("word3",)))
    words = [next(r for r in one.influence if r.over == "word") for one in (before, after)]
    quiet = [n for n, part in enumerate(words[0].parts) if part.label == "Word3"]
    assert quiet
    assert all(words[0].parts[n].weight != 0 for n in quiet)
    assert [n for n, part in enumerate(words[1].parts) if part.weight == 0] == quiet
    assert after.score != before.score
    with pytest.raises(Refused, match=r"has the word 'wurd3'; nearest are word") as refused:
        ante.recommend(history, muted=Muted(words=("wurd3",)))
    assert "word3" in refused.value.nearest


def test_a_muted_region_says_nothing_where_its_item_is(ante) -> None:  # type: ignore[no-untyped-def]
    history = ante.person("p2")
    act = next(act for act in history.acts[-5:] if act.item != "f2")
    muted = Muted(regions=((act.item, 1),))
    item = ante.recommend(history, 1)[0].item
    after = ante.explain(history, item, muted=muted)
    regions = next(r for r in after.influence if r.over == "region")
    silent = [(part.item, part.part) for part in regions.parts if part.weight == 0]
    assert silent == [(act.item, 1)]
    assert regions.parts[0].box is not None
    with pytest.raises(Refused, match=r"there is no region 99 of .*: they count from 1 to \d"):
        ante.recommend(history, muted=Muted(regions=((act.item, 99),)))
    absent = next(f"f{i}" for i in range(3, 16) if f"f{i}" not in {act.item for act in history.acts})
    with pytest.raises(Refused, match="is in no act, so that"):
        ante.recommend(history, muted=Muted(regions=((absent, 1),)))


def test_what_is_muted_may_be_of_an_act_that_was_taken_away(ante) -> None:  # type: ignore[no-untyped-def]
    history = ante.person("p2")
    place = next(n for n, act in enumerate(history.acts) if act.item != "f2")
    away = history.acts[place].item
    left = history.without([n for n, act in enumerate(history.acts) if act.item == away])
    plain = ante.recommend(left, 3, reasons=False)
    assert ante.recommend(left, 3, muted=Muted(regions=((away, 1),)), reasons=False) == plain
    assert left == replace(left, gone=()), "a history is what is left of it"


def test_a_muted_view_is_silent_and_another_is_none(ante) -> None:  # type: ignore[no-untyped-def]
    history = ante.person("p2")
    item = ante.recommend(history, 1)[0].item
    views = next(r for r in ante.explain(history, item, muted=Muted(views=("picture",))).influence if r.over == "view")
    assert all((part.weight == 0) == (part.label == "picture") for part in views.parts)
    with pytest.raises(Refused, match="'image' is no view; views are picture and text"):
        ante.recommend(history, muted=Muted(views=("image",)))


def test_what_a_model_does_not_read_cannot_be_muted(shop: Shop) -> None:
    asked = shop.fitted("sasrec")
    for muted in (Muted(words=("word3",)), Muted(regions=(("f3", 1),)), Muted(views=("text",))):
        with pytest.raises(Refused, match="the model reads no"):
            asked.recommend(asked.person("p2"), muted=muted)


@pytest.mark.parametrize(
    ("name", "variant"), [("ease", ""), ("sasrec", ""), ("ante_rnn", "whole"), ("iarn", "ranking")]
)
def test_the_acts_that_decide_do(shop: Shop, name: str, variant: str) -> None:
    asked = shop.fitted(name, variant)
    found = 0
    for user in ("p2", "p6"):
        history = asked.person(user)
        shown = asked.recommend(history, 15, reasons=False)
        for one in shown:
            why = asked.why_not(history, one.item, limit=3, top=2)
            assert (why.rank, why.score) == (one.rank, pytest.approx(one.score, abs=1e-5))
            assert why.found == bool(why.places)
            if not why.found:
                assert "no 3 acts or fewer were found" in why.told
                continue
            found += 1
            assert len(why.places) <= 3
            assert [history.acts[place] for place in why.places] == list(why.acts)
            without = asked.recommend(history.without(why.places), 15, reasons=False)
            assert next(other.rank for other in without if other.item == one.item) == why.rank_without
            assert (why.rank_without <= 2) != (one.rank <= 2)
            for place in why.places if len(why.places) > 1 else ():  # none is there in vain
                fewer = asked.recommend(history.without(set(why.places) - {place}), 15, reasons=False)
                assert (next(o.rank for o in fewer if o.item == one.item) <= 2) == (one.rank <= 2)
    assert found


def test_what_was_had_has_no_why_and_a_model_without_histories_says_so(shop: Shop) -> None:
    asked = shop.fitted("popularity")
    history = asked.person("p1")
    with pytest.raises(Refused, match="was had already"):
        asked.why_not(history, history.acts[0].item)
    told = asked.why_not(history, asked.recommend(history, 3)[2].item, top=2)
    assert (told.rank, told.found, told.told) == (
        3,
        False,
        "rank 3, not among the first 2; popularity reads no history",
    )


def test_items_are_found_by_id_and_title_or_refused_with_the_nearest(shop: Shop) -> None:
    asked = shop.fitted("ease")
    acts = asked.history("f3; HEAT; heatwave ;f1").acts
    assert [(act.item, act.title) for act in acts] == [
        ("f3", "The Twin"), ("f5", "Heat (1995)"), ("f6", "Heatwave"), ("f1", "f1")
    ]  # fmt: skip
    assert [act.item for act in asked.history(["Alien; Again"]).acts] == ["f8"]
    with pytest.raises(
        Refused, match=r"'The Twin' is the title of 2 items: The Twin \(f3\), the twin \(f4\); name one"
    ):
        asked.history("The Twin")
    with pytest.raises(Refused, match="no item is called 'Heatwavy'; nearest are Heatwave") as refused:
        asked.history("Heatwavy")
    assert "Heatwave" in refused.value.nearest
    with pytest.raises(Refused, match="nobody is called 'p13'; nearest are") as refused:
        asked.person("p13")
    assert "p3" in refused.value.nearest
    with pytest.raises(Refused, match="nobody is called 'P3'; nearest are p3"):
        asked.person("P3")
    with pytest.raises(Refused, match="no item is called 'F15'; nearest are f15, f5"):
        asked.history("F15")
    with pytest.raises(Refused, match=r"nearest are Alien; Again\. Semicolons stand between items: name one that has"):
        asked.history("f3; Alien; Again")
    with pytest.raises(Refused, match="name an item"):
        asked.history(" ; ")
    assert [one.item for one in asked.search("heat", 5)] == ["f5", "f6"]
    assert [one.item for one in asked.search("film 1", 2)] == ["f10", "f11"]
    assert [one.item for one in asked.search("heatwavee", 1)] == ["f6"]
    assert asked.search("  ") == ()
    assert asked.people("p1", 3) == ("p1", "p10", "p11")


def test_names_that_differ_in_case_or_in_blanks_alone_are_told_apart(shop: Shop, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(shop.layout.root, tmp_path / "alike", ignore=shutil.ignore_patterns("results")))
    for path, table, names in (
        (folder / "users.parquet", USERS, ["P2", "p2", "007", "7"]),
        (folder / "items.parquet", ITEMS, ["A", "a", " a", "07"]),
    ):
        frame = store.read(path, table)
        raw = pl.Series("raw", [*names, *frame["raw"][4:]])
        store.write(frame.with_columns(raw), path, table)
    asked = Shop(shop.world, Layout(folder, "temporal"), shop.params).fitted("ease")
    for name, near in (("p2 ", ("p2", "P2")), ("P2 ", ("P2", "p2")), ("07", ("007", "7"))):
        with pytest.raises(Refused, match="nobody is called") as refused:
            asked.person(name)
        assert refused.value.nearest[:2] == near
    assert [act.item for act in asked.history(["A", "a", " a", "a ", "07"]).acts] == ["A", "a", " a", "a", "07"]
    for name in ("007", "7"):
        assert asked.recommend(asked.person(name), 3)


def test_acts_without_times_are_a_pause_apart_before_the_moment(shop: Shop) -> None:
    asked = shop.fitted("ease")
    at = datetime(2018, 5, 1, 20, tzinfo=UTC)
    first, second = asked.history("f3;f5", at=at).acts
    frame = store.read(shop.layout.split, SPLIT)
    pause = frame.select(pl.col("time").diff().over("user")).to_series().drop_nulls().median()
    assert second.time == at - pause  # type: ignore[operator]
    assert first.time == at - 2 * pause  # type: ignore[operator]
    assert asked.history("f3").acts[0].time == frame["time"].max() - pause  # type: ignore[operator]
    later, sooner = at + timedelta(hours=1), at
    assert [act.item for act in asked.history("f3;f5", times=[later, sooner]).acts] == ["f5", "f3"]
    berlin = ZoneInfo("Europe/Berlin")  # where the clock went back on that night
    summer, winter = datetime(2017, 10, 29, 2, 30, tzinfo=berlin), datetime(2017, 10, 29, 2, 10, fold=1, tzinfo=berlin)
    after = asked.history("f3;f5", times=[winter, summer])
    assert [act.item for act in after.acts] == ["f5", "f3"], "by the moment, not by the clock on the wall"
    asked.recommend(after, 1, reasons=False)
    assert [act.item for act in after.moved(1, summer).acts] == ["f5", "f3"]
    early = datetime(1969, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC)
    before = asked.history("f3;f5", times=[early - timedelta(seconds=1), early]).before(
        datetime(1970, 1, 1, tzinfo=UTC)
    )
    assert len(before.acts) == 2, "seconds are rounded down, before 1970 too"
    with pytest.raises(Refused, match="times given: 1, items: 2; give one each"):
        asked.history("f3;f5", times=[at])
    with pytest.raises(Refused, match="has no time zone: write 2018-05-01T20:00:00Z for UTC"):
        asked.history("f3", at=datetime(2018, 5, 1, 20))
    with pytest.raises(Refused, match="stand in the order of their times"):
        asked.recommend(replace(asked.history("f3;f5", at=at), acts=asked.history("f3;f5", at=at).acts[::-1]))
    with pytest.raises(Refused, match="stand in the order of their times"):
        asked.recommend(replace(asked.person("p1"), acts=asked.person("p1").acts[::-1]))


def test_acts_without_times_were_before_no_moment(shop: Shop, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(shop.layout.root, tmp_path / "timeless", ignore=shutil.ignore_patterns("results")))
    layout = Layout(folder, "temporal")
    about = {name: store.meta(layout.split)[name] for name in ("items", "users")}
    frame = store.read(layout.split, SPLIT).with_columns(time=pl.lit(None, SPLIT.columns["time"]))
    store.write(frame, layout.split, SPLIT, about)
    asked = Shop(shop.world, layout, shop.params).fitted("ease")
    at = datetime(1990, 1, 1, tzinfo=UTC)
    for history in (asked.person("p1"), asked.history("f3; f5")):
        assert asked.recommend(history, 2)
        for ask in (asked.recommend, lambda one, **more: asked.why_not(one, "f1", **more)):
            with pytest.raises(Refused, match="these acts have no times, so that none can be said to have been before"):
                ask(history, at=at)


def test_ratings_are_asked_for_where_they_are_read(shop: Shop) -> None:
    asked = shop.fitted("iarn", "iarn_flat")
    with pytest.raises(Refused, match=r"the model reads ratings, and act 0 \(Heatwave\) has none"):
        asked.recommend(asked.history("f6"))
    assert asked.recommend(asked.history("f6", ratings=[3.0]), 2)


def test_places_and_counts_are_checked(shop: Shop) -> None:
    asked = shop.fitted("ease")
    history = asked.person("p1")
    for wrong in (-1, len(history.acts)):
        with pytest.raises(Refused, match=f"there is no act {wrong}"):
            history.without([wrong])
    with pytest.raises(Refused, match="top is 1 or more; found 0"):
        asked.recommend(history, 0)
    with pytest.raises(Refused, match="limit is 1 or more"):
        asked.why_not(history, "f3", limit=0)


def test_vectors_make_the_scores(shop: Shop) -> None:
    asked = shop.fitted("sasrec")
    vectors = asked.vectors()
    assert vectors.people == tuple(f"p{u}" for u in range(1, 13))
    row = vectors.person_UD[1] @ vectors.item_ND.T
    for one in asked.recommend(asked.person("p2"), 3):
        assert row[vectors.items.index(one.item)] == pytest.approx(one.score, rel=1e-4)
    unit = vectors.item_ND / np.linalg.norm(vectors.item_ND, axis=1, keepdims=True)
    order = [int(n) for n in np.argsort(-(unit @ unit[2])) if n != 2][:4]
    found = asked.similar("f3", 4)
    assert [one.item for one in found] == [vectors.items[n] for n in order]
    assert found[0].cosine == pytest.approx(float(unit[order[0]] @ unit[2]), rel=1e-5)
    assert len(asked.similar("f3", 99)) == 14
    with pytest.raises(Refused, match="the scores of ease are no inner products"):
        shop.fitted("ease").similar("f3")


def test_an_item_without_a_vector_is_near_to_none(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = shop.fitted("ials")
    everyone = {one.item: one.cosine for one in asked.similar("f3", 99)}
    assert len(everyone) == 14
    own = type(asked._model.net).keys

    def keys(self: torch.nn.Module) -> torch.Tensor:
        key_ND: torch.Tensor = own(self).clone()  # type: ignore[attr-defined]
        key_ND[[5, 7]] = 0.0
        return key_ND

    monkeypatch.setattr(type(asked._model.net), "keys", keys)
    with pytest.raises(Refused, match=r"ials has learnt nothing of Heat \(1995\): its vector is 0, near to none"):
        asked.similar("f5")
    left = {one.item: one.cosine for one in asked.similar("f3", 99)}
    assert left == {item: cosine for item, cosine in everyone.items() if item not in ("f5", "f7")}


def test_own_weights_of_one_kind_are_told_apart_by_their_names(shop: Shop) -> None:
    asked = shop.fitted("min_net")
    history = asked.person("p2")
    found = asked.explain(history, asked.recommend(history, 1)[0].item)
    names = [reading.name for reading in found.own if reading.over == "gate"]
    assert names == ["attention to pictures", "attention to texts", "attention to rows"]
    assert {reading.name for reading in found.influence} == {""}
    assert [one["name"] for one in as_json(found)["own"]][-3:] == names


def test_without_a_history_what_the_item_says_and_shows_has_the_influence(shop: Shop) -> None:
    asked = shop.fitted("mlam", "whole")
    history = asked.person("p2")
    first = asked.recommend(history, 1)[0]
    found = asked.explain(history, first.item)
    influence, own = ({reading.over: reading for reading in some} for some in (found.influence, found.own))
    assert set(influence) == {"word", "region"}
    for over, reading in influence.items():
        assert (reading.kind, reading.faithful) == ("signed", False)
        labels = [(part.label, part.part, part.box) for part in reading.parts]
        assert labels == [(part.label, part.part, part.box) for part in own[over].parts]
        assert {(part.place, part.item) for part in reading.parts} == {(None, first.item)}
        assert [part.weight for part in reading.parts] != [part.weight for part in own[over].parts]
    assert found.because == first.because


def test_own_weights_stand_beside_influence(shop: Shop) -> None:
    asked = shop.fitted("iarn", "ranking")
    history = asked.person("p2")
    found = asked.explain(history, asked.recommend(history, 1)[0].item)
    assert {reading.over for reading in found.influence} == {"history", "item_history"}
    assert {reading.over for reading in found.own} >= {"history", "item_history", "gate"}
    over = {reading.over: reading for reading in found.own}
    assert [part.item for part in over["history"].parts] == [act.item for act in history.acts[-8:]]
    assert [part.place for part in over["history"].parts] == list(range(len(history.acts)))[-8:]
    assert all(part.label.startswith("p") for part in over["item_history"].parts)
    assert json.loads(json.dumps(as_json(found)))["influence"][0]["over"] == "history"


def test_what_is_not_there_is_named(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no users table there; `dvc repro` makes it"):
        load(tmp_path, params=shop.params)
    with pytest.raises(FileNotFoundError, match=r"weights\.pt: no weights there; `dvc repro train` makes them"):
        load(shop.layout.root, params=shop.params, model="popularity", results=tmp_path)
    with pytest.raises(KeyError, match=r"no 'sosrec' in 'models\.sosrec'"):
        load(shop.layout.root, params=shop.params, model="sosrec")
    for empty in ("model", "protocol", "device"):  # no name is none of those that are chosen
        with pytest.raises((KeyError, ValueError), match=r"no '' in|found ''"):
            load(shop.layout.root, params=shop.params, **{empty: ""})  # type: ignore[arg-type]
    assert models.find("sasrec")


@pytest.mark.parametrize(("name", "table"), [("items", ITEMS), ("users", USERS)])
def test_tables_of_two_runs_are_told(shop: Shop, tmp_path: Path, name: str, table: Table) -> None:
    folder = Path(shutil.copytree(shop.layout.root, tmp_path / "of two runs"))
    frame = store.read(folder / f"{name}.parquet", table)
    store.write(frame.head(3), folder / f"{name}.parquet", table)
    with pytest.raises(ValueError, match=rf"{name}\.parquet has 3 rows where .*events\.parquet was made of 1"):
        load(folder, params=shop.params, model="popularity")


@pytest.mark.parametrize("name", ["ante_rnn", "caser", "hievh", "hyperrec", "iarn", "sasrec", "timesvd"])
def test_times_as_far_away_as_may_be_are_answered_or_refused(shop: Shop, name: str) -> None:
    asked = shop.fitted(name, next(variant for model, variant in CASES if model == name))
    history = asked.person("p2")
    for far in (EARLIEST, LATEST):
        for edited, at in ((history.moved(3, far), None), (history, far)):
            try:
                assert len(asked.recommend(edited, 2, at)) == 2
            except Refused as refused:
                assert "an act at least before 0002" in str(refused) or "row of its own" in str(refused)  # noqa: PT017
    for far in (EARLIEST - timedelta(seconds=1), LATEST + timedelta(seconds=1)):
        with pytest.raises(Refused, match="times lie in the years 2 to 9998"):
            history.moved(3, far)
        with pytest.raises(Refused, match="times lie in the years 2 to 9998"):
            asked.recommend(history, 2, far)


def test_threads_that_ask_one_model_are_answered_as_one_alone(shop: Shop) -> None:
    """The words and regions of an item are taken out of the catalogue for a moment, to see what they do."""
    model = shop.fitted("mlam", "whole")
    people = [model.person(user) for user in ("p2", "p3")]

    def asked(turn: int) -> tuple[object, ...]:
        history = people[turn % 2]
        first = model.recommend(history, 5)
        return first, model.explain(history, first[0].item)

    alone = [asked(0), asked(1)]
    with ThreadPoolExecutor(4) as threads:
        assert all(found == alone[turn % 2] for turn, found in enumerate(threads.map(asked, range(24))))
    assert [asked(0), asked(1)] == alone, "and nothing of it stays"
