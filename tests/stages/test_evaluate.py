"""Readings of the test cases: what stands where, and what is left out where it cannot be known."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from engine.tables import store
from engine.tables.layout import Layout
from engine.tables.schemas import CASES, ITEMS, ORACLE, SPLIT, VECTORS
from engine.tables.settings import Choice
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
    for meta, height in (({}, 1), ({"in_order": True}, 1), ({"in_order": False}, 0)):
        write_split(layout, {5: "test"}, **meta)  # type: ignore[arg-type]
        assert _oracle(layout).height == height


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
    counted = torch.load(layout.weights, weights_only=True)["count_N"]
    assert counted.tolist() == np.bincount(np.ravel(expected), minlength=10).tolist()


def test_ratings_are_clipped_to_those_of_training(layout: Layout) -> None:
    """Training gave 2 to 4; what is held out is 5, so no prediction comes nearer than 1."""
    trained(layout, "biases", user_damping=0, item_damping=0)
    choice = Choice(name="biases", settings={"user_damping": 0, "item_damping": 0})
    state = torch.load(layout.weights, weights_only=True)
    state["mean"] += 100  # predicts far above every rating
    torch.save(state, layout.weights)
    evaluate.main(evaluate.Params(model=choice, seen="kept", device="cpu"), layout)
    found = json.loads(layout.metric("test").read_text())
    assert (found["rmse"], found["mae"], found["ratings"]) == (1, 1, 8)


def drawn(layout: Layout, length: list[int], place: list[int], target: list[int], train: list[int]) -> None:
    """The charts of some cases; `train`: how many training events each item has."""
    item = np.repeat(np.arange(1, len(train) + 1), train)
    columns = {"user": np.ones(len(item), np.int64), "item": item, "event": np.arange(1, len(item) + 1)}
    cases = pl.DataFrame({"position": length, "target": target})
    charts.write(np.array(place, float), cases, Interactions.of(columns, len(train)), (5,), layout)


def test_each_case_counts_in_one_class_of_lengths(layout: Layout) -> None:
    drawn(layout, [4, 5, 5, 9, 10, 10, 10, 150], [1, 1, 99, 99, 1, 1, 99, 1], [1] * 8, [2, 1])
    rows = layout.plot("lengths").read_text().splitlines()
    expected = ["0 to 4,1.000000", "5 to 9,0.333333", "10 to 19,0.666667", "100 to 150,1.000000"]
    assert rows == ["history,recall", *expected]


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
    evaluated(layout, "popularity")
    more = json.loads(layout.metric("test_more").read_text())
    assert (more["coverage@10"], more["gini@10"], more["cold@10"]) == (1, 0, 0)
    kinds = np.array([item % 3 for item in range(1, 9)])
    apart = np.mean([kinds[i] != kinds[j] for i in range(8) for j in range(i)])
    assert more["diversity_categories@10"] == pytest.approx(apart)
    assert more["diversity_image@10"] == pytest.approx(1)  # of the only pair that has vectors
    assert "diversity_text@10" not in more
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
        with pytest.raises(ValueError, match=r"no validation cases to select \w+ by: protocols.x.valid is 0\. Models"):
            trained(layout, name, **settings)  # type: ignore[arg-type]


def test_without_cases_ratings_alone_are_predicted(layout: Layout) -> None:
    store.write(pl.DataFrame(schema=dict(CASES.columns)), layout.cases, CASES)
    assert set(trained(layout, "biases")) == {"best_epoch", "valid_cases", "valid_rmse", "valid_mae"}
    assert set(evaluated(layout, "biases")) == {"rmse", "mae", "ratings", "cases"}
    assert layout.plot("cutoffs").read_text() == "k,recall\n"
    trained(layout, "popularity")
    with pytest.raises(ValueError, match="has no test cases, and popularity predicts no ratings"):
        evaluated(layout, "popularity")


def test_a_stopped_run_with_fewer_epochs_is_evaluated_at_its_best_so_far(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, kept = [], train._reading

    def reading(*given: Any) -> float:
        if len(found) == 3:
            raise KeyboardInterrupt
        found.append(kept(*given))
        return found[-1]

    monkeypatch.setattr(train, "_reading", reading)
    with pytest.raises(KeyboardInterrupt):
        trained(layout, "bpr_mf", train={"epochs": 9, "batch_size": 8, "save": 0})
    monkeypatch.setattr(train, "_reading", kept)
    said = trained(layout, "bpr_mf", train={"epochs": 1, "batch_size": 8, "patience": 2})
    assert said["best_epoch"] == found.index(max(found)) + 1
    assert json.loads(layout.metric("cost").read_text())["epochs"] == 3
    assert evaluated(layout, "bpr_mf")["cases"] == 8
    assert trained(layout, "bpr_mf", train={"epochs": 1, "batch_size": 4})["best_epoch"] == 1  # another run
