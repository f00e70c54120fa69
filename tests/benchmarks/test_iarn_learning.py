"""How IARN learns: one rule of stopping, the way back, and a table against the row that is printed."""

import math
import sys
from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from scipy import stats

import models
from benchmarks import iarn_learning
from benchmarks.iarn_learning import BACK, BAD, WAYS, Run, Way, table
from engine.evaluation.rate import Errors
from engine.tables import store
from engine.tables.layout import Layout
from engine.tables.schemas import CASES, ITEMS, SPLIT, USERS
from engine.tables.settings import Choice
from engine.training.source import load

ROOT = Path(__file__).parents[2]
OFTEN = 16  # pairs between validations, of the 40 that are learnt from


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """Eight people with eight ratings, of which five are learnt from, one validates and two test."""
    monkeypatch.setattr(iarn_learning, "OFTEN", OFTEN)
    made = Layout(tmp_path / "data" / "small", "global_time")
    parts = ["train"] * 5 + ["valid"] + ["test"] * 2
    rows = [
        (user, n, 1 + (user * n) % 5, datetime(2020, 1, 1 + n, user, tzinfo=UTC), parts[n], float(1 + (user + n) % 5))
        for user in range(1, 9)
        for n in range(8)
    ]
    store.write(
        pl.DataFrame(rows, schema=dict(SPLIT.columns), orient="row"), made.split, SPLIT, {"items": 5, "users": 8}
    )
    items = [(n, str(n), None, [[f"kind {n % 2}"]], None) for n in range(1, 6)]
    store.write(pl.DataFrame(items, schema=dict(ITEMS.columns), orient="row"), made.items, ITEMS)
    people = [(n, str(n)) for n in range(1, 9)]
    store.write(pl.DataFrame(people, schema=dict(USERS.columns), orient="row"), made.users, USERS)
    store.write(pl.DataFrame(schema=dict(CASES.columns)), made.cases, CASES)
    return made


def asked(**changes: Any) -> Namespace:
    return Namespace(**{"seed": 1, "lr": 0.01, "batch": 8, "patience": 3, "passes": 40} | changes)


def reads(monkeypatch: pytest.MonkeyPatch, *values: float) -> None:
    """What validations find, the last one again and again."""
    found = [*values]

    def of(*_: object) -> Errors:
        value = found.pop(0) if len(found) > 1 else found[0]
        return Errors(np.full(1, value**2), np.zeros(1))

    monkeypatch.setattr(Errors, "of", staticmethod(of))


def run(layout: Layout, way: Way, **changes: Any) -> Run:
    needs = models.configure(Choice(name="iarn", settings=way.settings)).needs
    return Run(way, load(layout, needs, "valid", "cpu"), asked(**changes))


def test_a_row_ends_after_so_many_pairs_without_a_gain_however_often_it_is_read(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    for way, read_at in ((WAYS["printed"], 40), (WAYS["validated every 6,400 pairs"], 16)):
        reads(monkeypatch, 3.0, 2.0, 2.5)
        made = run(layout, way)
        assert not made.learn()
        assert (made.best, made.best_at) == (2.0, 2 * read_at)
        assert made.seen == (160 if read_at == 40 else 80), "48 pairs after the best, or the next validation then"
    reads(monkeypatch, *(1 / n for n in range(1, 200)))
    assert run(layout, WAYS["printed"], passes=4).learn(), "its cap"


def test_after_ten_validations_without_a_gain_it_goes_back_to_the_best_at_a_lower_rate(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads(monkeypatch, 2.0, 3.0)
    for way, factor in ((Way(back=True), BACK), (Way(), 1.0)):
        made = run(layout, way)
        made._validate(1)
        with torch.no_grad():
            made.model.histories.item_ND.add_(1.0)
        for _ in range(BAD):
            made._validate(1)
        apart = (made.model.histories.item_ND.detach() - made.kept["histories.item_ND"]).abs().max()
        assert float(apart) == pytest.approx(0 if way.back else 1, abs=1e-6)
        assert made.optimizer.param_groups[0]["lr"] == pytest.approx(0.01 * factor)


def test_each_way_is_a_setting_that_the_model_has() -> None:
    settings = {name: way.settings for name, way in WAYS.items()}
    assert settings["and scaled"]["readings"] == {"scale": 2.0, "summary": 0.25, "activation": "softplus"}
    assert settings["all of these, leak"]["readings"]["leak"]
    assert settings["printed"] == {"dim": 25, "hidden": 64, "dropout": 0.25}
    assert len({str(way) for way in WAYS.values()}) == len(WAYS)


def test_the_table_tests_against_the_first_row_and_leaves_out_what_ended_at_its_cap() -> None:
    rng = np.random.default_rng(1)
    errors = rng.random(400)
    row = {"mae": 0.5, "valid": 0.9, "best": 1.0, "ended": 2.0, "capped": False}
    found = {
        "first": row | {"squared": errors.tolist()},
        "better": row | {"squared": (errors - 0.1 * rng.random(400)).tolist()},
        "capped": row | {"squared": (errors * 0.5).tolist(), "capped": True},
    }
    lines = {line.split(" | ")[0].removeprefix("| "): line.split(" | ") for line in table(found).splitlines()[2:]}
    assert lines["first"][1] == f"{math.sqrt(errors.mean()):.4f}"
    assert float(lines["better"][6]) < 0
    assert float(lines["better"][7].rstrip(" |")) < 1e-9
    assert lines["capped †"][7].strip(" |") == ""
    difference, interval = lines["better"][8:10]
    low, high = (float(end) for end in interval.split(" to "))
    assert low < float(difference) < high < 0
    expected = stats.ttest_rel(found["better"]["squared"], found["first"]["squared"]).confidence_interval(0.95)
    assert [low, high] == pytest.approx([expected.low, expected.high], abs=0.002)
    assert float(lines["better"][10].rstrip(" |")) < -1


def test_the_command_learns_keeps_and_prints(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    words = ["small", "--rows", "printed", "all of these", "--batch", "8", "--patience", "2", "--lr", "0.01"]
    monkeypatch.setattr(sys, "argv", ["iarn_learning", *words])
    iarn_learning.main()
    first = capsys.readouterr().out
    assert [line.split(" | ")[0] for line in first.splitlines()[2:]] == [
        "| printed",
        "| all of these",
        "| running bias",
    ]
    assert len(list(Path("build/iarn_learning").glob("*.json"))) == 2
    monkeypatch.setattr(Run, "learn", lambda self: pytest.fail("a kept row was learnt again"))
    iarn_learning.main()
    assert capsys.readouterr().out == first
