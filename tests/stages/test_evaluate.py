"""Readings of the test cases: what stands where, and what is left out where it cannot be known."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from rich.progress import Progress

from engine.evaluation import selection
from engine.tables import store
from engine.tables.layout import Layout
from engine.tables.schemas import CASES, ERRORS, ITEMS, ORACLE, SPLIT, USERS, VECTORS
from engine.tables.settings import Choice
from engine.training import weights
from engine.training.interactions import Interactions
from stages import train
from stages.evaluate import __main__ as evaluate
from stages.evaluate import charts
from stages.evaluate.__main__ import _oracle

MODELS: dict[str, dict[str, Any]] = {
    "popularity": {},
    "bpr_mf": {"dim": 4, "train": {"epochs": 2, "batch_size": 8}},
    "biases": {},
}


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """Eight people with six rated events; the last tests, the one before validates; no features, topics or crawl."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    made = Layout(tmp_path, "temporal")
    write_split(made, {4: "valid", 5: "test"})
    write_cases(made, {4: "valid", 5: "test"})
    store.write(pl.DataFrame(schema=dict(ORACLE.columns)), made.oracle, ORACLE)
    rows = [(item, str(item), None, [[f"kind {item % 3}"]] if item < 9 else None, None) for item in range(1, 10)]
    store.write(pl.DataFrame(rows, schema=dict(ITEMS.columns), orient="row"), made.items, ITEMS)
    people = [(user, str(user)) for user in range(1, 9)]
    store.write(pl.DataFrame(people, schema=dict(USERS.columns), orient="row"), made.users, USERS)
    return made


def write_split(layout: Layout, parts: dict[int, str], **meta: str) -> None:
    """Events, those at some positions in other parts than train; ratings of training lie between 2 and 4."""
    rows = [
        (u, p, 1 + (u + p) % 9, float(2 + (u + p) % 3) if p < 4 else 5.0, parts.get(p, "train"), None)
        for u in range(1, 9)
        for p in range(6)
    ]
    frame = pl.DataFrame(rows, schema=["user", "position", "item", "rating", "part", "time"], orient="row")
    frame = frame.select(pl.col(name).cast(kind) for name, kind in SPLIT.columns.items())
    store.write(frame, layout.split, SPLIT, {"items": 9, "users": 8} | meta)


def write_cases(layout: Layout, parts: dict[int, str]) -> None:
    rows = [(u, part, u, p, 1 + (u + p) % 9, None) for p, part in parts.items() for u in range(1, 9)]
    rows = [(n, *row[1:]) for n, row in enumerate(rows, 1)]
    store.write(pl.DataFrame(rows, schema=dict(CASES.columns), orient="row"), layout.cases, CASES)


def trained(layout: Layout, name: str, **settings: Any) -> dict[str, Any]:
    """metrics/valid.json of a model, but for settings that were chosen."""
    choice = Choice(name=name, settings=MODELS[name] | settings)
    train.main(train.Params(model=choice, seen="kept", train={}, device="cpu", seed=1), layout)
    found: dict[str, Any] = json.loads(layout.metric("valid").read_text())
    return {key: value for key, value in found.items() if not key.startswith("chosen_")}


def evaluated(layout: Layout, name: str) -> dict[str, Any]:
    """metrics/test.json of a model."""
    choice = Choice(name=name, settings=MODELS[name])
    evaluate.main(evaluate.Params(model=choice, seen="kept", device="cpu"), layout)
    found: dict[str, Any] = json.loads(layout.metric("test").read_text())
    return found


def test_no_oracle_where_the_protocol_moved_events(layout: Layout) -> None:
    known = pl.DataFrame([(1, 0, 3, 0, 9)], schema=dict(ORACLE.columns), orient="row")
    store.write(known, layout.oracle, ORACLE)
    ranks = pl.DataFrame({"user": [1], "position": [0], "others": [9]}, schema_overrides=dict(ORACLE.columns))
    for meta, there in (({}, True), ({"in_order": True}, True), ({"in_order": False}, False)):
        write_split(layout, {5: "test"}, **meta)  # type: ignore[arg-type]
        assert (_oracle(layout, ranks) is not None) == there


def test_no_oracle_where_it_ranked_other_items_or_knows_some_cases_alone(layout: Layout) -> None:
    known = pl.DataFrame([(1, 0, 3, 0, 9), (2, 0, 1, 1, 9)], schema=dict(ORACLE.columns), orient="row")
    store.write(known, layout.oracle, ORACLE)
    write_split(layout, {5: "test"})
    ranks = known.drop("greater", "ties")
    found = _oracle(layout, ranks)
    assert found is not None
    assert (found.greater.tolist(), found.ties.tolist(), found.others.tolist()) == ([3, 1], [0, 1], [9, 9])
    among_few = ranks.with_columns(others=pl.Series([9, 4], dtype=pl.UInt32))
    assert _oracle(layout, among_few) is None, "a rank among 4 and one among 9 are no pair"
    store.write(known[:1], layout.oracle, ORACLE)
    assert _oracle(layout, ranks) is None


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_reads_no_views_runs_where_there_are_none(layout: Layout, name: str) -> None:
    assert trained(layout, name)["valid_cases"] == 8
    assert evaluated(layout, name)["cases"] == 8


def test_what_is_read_first_stands_in_test_json_and_the_rest_beside_it(
    layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(layout, "popularity")
    first = {"recall@10", "recall@20", "ndcg@10", "mrr", "auc", "cases"}
    assert set(evaluated(layout, "popularity")) == first
    assert "oracle" not in capsys.readouterr().out
    best = [(u, p, 0, 0, 8) for u in range(1, 9) for p in (4, 5)]
    store.write(pl.DataFrame(best, schema=dict(ORACLE.columns), orient="row"), layout.oracle, ORACLE)
    found = evaluated(layout, "popularity")
    assert set(found) == first | {"oracle_recall@20", "oracle_ndcg@10"}
    assert found["oracle_ndcg@10"] == 1
    assert "oracle" in capsys.readouterr().out
    more = json.loads(layout.metric("test_more").read_text())
    assert {"recall@5", "ndcg@25", "oracle_recall@10", "oracle_mrr"} <= set(more)
    assert not set(more) & set(found)
    trained(layout, "biases")
    assert {"rmse", "mae", "ratings"} <= set(evaluated(layout, "biases"))


def test_what_weights_say_is_read_before_hours_of_training(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    layout.users.unlink()
    monkeypatch.setattr(train, "fit", lambda *given: pytest.fail("it has learned for nothing"))
    with pytest.raises(FileNotFoundError, match=r"users\.parquet: no users table there"):
        trained(layout, "popularity")


def test_training_learns_from_the_training_part_alone(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the validating nor the testing events reach what is fitted; the latter not even the process."""
    seen: list[Any] = []
    fit = train.fit

    def noted(model: Any, events: Any, *rest: Any) -> Any:
        seen.append(events)
        return fit(model, events, *rest)

    monkeypatch.setattr(train, "fit", noted)
    for name in MODELS:
        trained(layout, name)
    for events in seen:
        assert len(events) == 8 * 4
        expected = [[1 + (u + p) % 9 for p in range(4)] for u in range(1, 9)]
        assert events.item_E.view(8, 4).tolist() == expected
        assert float(events.rating_E.max()) == 4
    trained(layout, "popularity")
    counted = weights.load(layout.weights, "cpu")[1]["count_N"]
    assert counted.tolist() == np.bincount(np.ravel(expected), minlength=10).tolist()


def test_ratings_are_clipped_to_those_of_training(layout: Layout) -> None:
    """Training gave 2 to 4; what is held out is 5, so no prediction comes nearer than 1."""
    trained(layout, "biases", user_damping=0, item_damping=0)
    choice = Choice(name="biases", settings={"user_damping": 0, "item_damping": 0})
    learned, state = weights.load(layout.weights, "cpu")
    state["mean"] += 100  # predicts far above every rating
    weights.save(state, learned, layout.weights)
    evaluate.main(evaluate.Params(model=choice, seen="kept", device="cpu"), layout)
    found = json.loads(layout.metric("test").read_text())
    assert (found["rmse"], found["mae"], found["ratings"]) == (1, 1, 8)


def test_a_rater_that_meets_each_pair_alone_is_not_ranked_to_end_its_training(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is selected by RMSE; on a real catalogue the ranks of validation would take hours that nobody asked for."""
    small = {"dim": 4, "hidden": 4, "inner": 4, "item_length": 3, "features": "none", "train": {"epochs": 1}}
    monkeypatch.setitem(MODELS, "iarn", small)
    days = pl.duration(days=pl.col("position").cast(pl.Int64))
    timed = store.read(layout.split, SPLIT).with_columns(time=pl.datetime(2020, 1, 1, time_zone="UTC") + days)
    store.write(timed.cast({"time": SPLIT.columns["time"]}), layout.split, SPLIT, store.meta(layout.split))
    found = trained(layout, "iarn")
    assert "valid_rmse" in found
    assert not any("ndcg" in name or "recall" in name for name in found)
    assert "valid_ndcg@10" in trained(layout, "biases")
    trained(layout, "iarn")
    shown: list[tuple[str, int, int]] = []
    monkeypatch.setattr(Progress, "add_task", lambda self, title, total: shown.append((title, total, 0)))
    monkeypatch.setattr(Progress, "advance", lambda self, task, more: shown.append(("more", 0, more)))
    assert evaluated(layout, "iarn")["cases"] == 8
    assert shown == [("ranking", 8, 0), ("more", 0, 8)]


def drawn(layout: Layout, length: list[int], place: list[int], target: list[int], train: list[int]) -> None:
    """The charts of some cases; `train`: how many training events each item has."""
    item = np.repeat(np.arange(1, len(train) + 1), train)
    columns = {"user": np.ones(len(item), np.int64), "item": item, "event": np.arange(1, len(item) + 1)}
    cases = pl.DataFrame({"position": length, "target": target})
    charts.write(np.array(place, float), cases, Interactions.of(columns, len(train)), (5,), layout)


def test_each_case_counts_in_one_class_of_lengths(layout: Layout) -> None:
    drawn(layout, [4, 5, 5, 9, 10, 10, 10, 150], [1, 1, 99, 99, 1, 3, 99, 1], [1] * 8, [2, 1])
    rows = layout.plot("lengths").read_text().splitlines()
    gain = ["0 to 4,1.000000,1.000000", "5 to 9,0.333333,0.333333"]
    gain += ["10 to 19,0.666667,0.500000", "100 to 150,1.000000,1.000000"]  # rank 3 gains 1 / log2(4)
    assert rows == ["history,recall,ndcg", *gain]


def test_each_case_counts_in_the_group_of_its_items_popularity(layout: Layout) -> None:
    """Twenty items, two a group; the most popular two are items 20 and 19, the least 1 and 2."""
    drawn(layout, [1] * 5, [1, 30, 1, 1, 30], [20, 19, 20, 1, 2], list(range(20)))
    rows = layout.plot("popularity").read_text().splitlines()
    assert rows == [
        "group,items,cases,recall,ndcg",
        "1: 19 to 18 events,2,3,0.666667,0.666667",
        "10: 1 to 0 events,2,2,0.500000,0.500000",
    ]


def test_what_lists_are_like_stands_beside_the_other_readings(layout: Layout) -> None:
    """Popularity shows everyone the same ten of nine items; all have been had by someone."""
    trained(layout, "popularity")
    vector = pl.DataFrame({"item": [1, 2], "vector": [[1.0, 0.0], [0.0, 2.0]]})
    vector = vector.select(pl.col("item").cast(pl.UInt32), pl.col("vector").cast(pl.Array(pl.Float16, 2)))
    store.write(vector, layout.image, VECTORS)
    store.write(vector[:1], layout.text, VECTORS)
    evaluated(layout, "popularity")
    more = json.loads(layout.metric("test_more").read_text())
    assert (more["coverage@10"], more["gini@10"], more["cold@10"]) == (1, 0, 0)
    kinds = np.array([item % 3 for item in range(1, 9)])
    apart = np.mean([kinds[i] != kinds[j] for i in range(8) for j in range(i)])
    assert more["diversity_categories@10"] == pytest.approx(apart)
    assert more["diversity_image@10"] == pytest.approx(1)  # of the only pair that has vectors
    assert "diversity_text@10" not in more  # one vector is no pair
    people = np.bincount([1 + (u + p) % 9 for u in range(1, 9) for p in range(4)], minlength=10)[1:]
    assert more["popularity@10"] == pytest.approx(people.mean())
    assert more["novelty@10"] == pytest.approx(-np.log2((people + 1) / 9).mean())


def test_without_validation_what_selects_by_nothing_runs_and_what_is_selected_says_why(layout: Layout) -> None:
    write_split(layout, {5: "test"}, no_valid_cases="protocols.x.valid is 0")
    write_cases(layout, {5: "test"})
    for name in ("popularity", "biases"):
        assert trained(layout, name) == {"best_epoch": 1, "valid_cases": 0}
        assert evaluated(layout, name)["cases"] == 8
    for name, settings in (("bpr_mf", {}), ("biases", {"person": "history", "length": [3, 8]})):
        with pytest.raises(
            ValueError, match=r"no validation cases to select \w+ by: .*cases.parquet: protocols.x.valid is 0\. Models"
        ):
            trained(layout, name, **settings)  # type: ignore[arg-type]


def test_without_cases_ratings_alone_are_predicted(layout: Layout) -> None:
    store.write(pl.DataFrame(schema=dict(CASES.columns)), layout.cases, CASES)
    assert set(trained(layout, "biases")) == {"best_epoch", "valid_cases", "valid_rmse", "valid_mae"}
    told = {"rmse", "mae", "rmse_warm", "ratings", "ratings_warm", "ratings_cold", "cases"}
    assert set(evaluated(layout, "biases")) == told
    assert layout.plot("cutoffs").read_text() == "k,recall\n"
    trained(layout, "popularity")
    with pytest.raises(ValueError, match="has no test cases, and popularity predicts no ratings"):
        evaluated(layout, "popularity")


def test_a_stopped_run_with_fewer_epochs_is_evaluated_at_its_best_so_far(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, kept = [], selection._reading

    def reading(*given: Any) -> float:
        if len(found) == 3:
            raise KeyboardInterrupt
        found.append(kept(*given))
        return found[-1]

    monkeypatch.setattr(selection, "_reading", reading)
    with pytest.raises(KeyboardInterrupt):
        trained(layout, "bpr_mf", train={"epochs": 9, "batch_size": 8, "save": 0})
    monkeypatch.setattr(selection, "_reading", kept)
    said = trained(layout, "bpr_mf", train={"epochs": 1, "batch_size": 8, "patience": 2})
    assert said["best_epoch"] == found.index(max(found)) + 1
    assert json.loads(layout.metric("cost").read_text())["epochs"] == 3
    assert evaluated(layout, "bpr_mf")["cases"] == 8
    assert trained(layout, "bpr_mf", train={"epochs": 1, "batch_size": 4})["best_epoch"] == 1  # another run


def warm_and_cold(layout: Layout, cold: str) -> dict[str, Any]:
    """metrics/test.json of the mean rating, where item 9 was trained on twice and person 8 never."""
    rows = [
        (u, p, 9 if (u, p) in ((1, 0), (2, 0), (3, 5)) else 1 + (u + p) % 8, float(1 + (u * p) % 5))
        for u in range(1, 9)
        for p in range(6)
    ]
    frame = pl.DataFrame(rows, schema=["user", "position", "item", "rating"], orient="row").with_columns(
        part=pl.when(pl.col("position") == 5).then(pl.lit("test")).when(pl.col("user") == 8).then(pl.lit("valid"))
        .when(pl.col("position") == 4).then(pl.lit("valid")).otherwise(pl.lit("train")),
        time=pl.lit(None),
    )  # fmt: skip
    frame = frame.select(pl.col(name).cast(kind) for name, kind in SPLIT.columns.items())
    store.write(frame, layout.split, SPLIT, {"items": 9, "users": 8})
    choice = Choice(name="biases", settings={"of": "none"})
    train.main(train.Params(model=choice, seen="kept", train={}, device="cpu", seed=1), layout)
    asked = evaluate.Evaluate(cold=cold)  # type: ignore[arg-type]
    evaluate.main(evaluate.Params(model=choice, seen="kept", evaluate=asked, device="cpu"), layout)
    found: dict[str, Any] = json.loads(layout.metric("test").read_text())
    return found


@pytest.mark.parametrize("cold", ["kept", "dropped"])
def test_cold_ratings_are_counted_or_left_out_and_both_are_told(layout: Layout, cold: str) -> None:
    found = warm_and_cold(layout, cold)
    split = store.read(layout.split, SPLIT)
    trained_on = split.filter(pl.col("part") == "train")
    mean = trained_on["rating"].mean()
    test = split.filter(pl.col("part") == "test")
    squared = {u: (r - mean) ** 2 for u, r in test.select("user", "rating").iter_rows()}
    users, items = Counter(trained_on["user"].to_list()), Counter(trained_on["item"].to_list())
    of = dict(test.select("user", "item").iter_rows())
    few = [u for u in squared if users[u] < 3 or items[of[u]] < 3]
    assert (users[8], items[of[3]], users[3]) == (0, 2, 4)
    assert {3, 8} < set(few) < set(squared)
    warm = [e for u, e in squared.items() if u not in few]
    np.testing.assert_allclose(found["rmse_warm"], np.sqrt(np.mean(warm)), rtol=1e-5)
    np.testing.assert_allclose(found["rmse_cold"], np.sqrt(np.mean([squared[u] for u in few])), rtol=1e-5)
    assert (found["ratings_warm"], found["ratings_cold"]) == (len(warm), len(few))
    counted = list(squared.values()) if cold == "kept" else warm
    np.testing.assert_allclose(found["rmse"], np.sqrt(np.mean(counted)), rtol=1e-5)
    errors = store.read(layout.errors, ERRORS)
    assert errors.height == found["ratings"] == len(counted)
    np.testing.assert_allclose(errors["squared"].to_numpy(), counted, rtol=1e-5)
    np.testing.assert_allclose(errors["absolute"].to_numpy() ** 2, counted, rtol=1e-5)
    assert errors.filter("cold")["user"].to_list() == (few if cold == "kept" else [])


def test_cold_dropped_where_all_is_cold_is_refused_and_a_ranker_has_no_errors(layout: Layout) -> None:
    write_split(layout, {1: "valid", 2: "valid", 3: "valid", 4: "valid", 5: "test"})  # one event of each trains
    trained(layout, "biases")
    asked = evaluate.Evaluate(cold="dropped")
    params = evaluate.Params(model=Choice(name="biases", settings={}), seen="kept", evaluate=asked, device="cpu")
    with pytest.raises(ValueError, match=r"evaluate\.cold: dropped leaves nothing of 8 test ratings"):
        evaluate.main(params, layout)
    assert not layout.ranks.exists()  # nothing is half anew
    trained(layout, "popularity")
    assert "rmse" not in evaluated(layout, "popularity")
    assert store.read(layout.errors, ERRORS).height == 0
