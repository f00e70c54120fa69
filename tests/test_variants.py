"""benchmarks/variants: what stands behind an @ is taken out of the catalog."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from benchmarks import variants
from benchmarks.variants import model_of, some, without
from engine.tables.layout import Layout
from engine.tables.params import read_yaml
from engine.training.cases import Cases
from engine.training.catalog import Catalog
from engine.training.interactions import Interactions
from engine.training.source import Data

ROOT = Path(__file__).parent.parent


def test_views_are_knocked_out_as_written() -> None:
    value = {view: torch.randn(9, 3, generator=torch.Generator().manual_seed(n)) for n, view in enumerate("ab")}
    for value_ND in value.values():
        value_ND[0] = 0
    catalog = Catalog(8, value)
    found = without(catalog, "a=shuffled,b=constant", 3)
    assert torch.equal(found.vector("a"), catalog.knocked("a", "shuffled", 3).vector("a"))
    assert torch.equal(found.vector("b"), catalog.knocked("b", "constant", 3).vector("b"))
    assert not torch.equal(found.vector("a"), without(catalog, "a=shuffled", 4).vector("a"))
    assert without(catalog, "", 3) is catalog


@pytest.mark.parametrize("knock", ["a=gone", "a", "a=shuffled,b"])
def test_another_way_to_knock_out_is_refused(knock: str) -> None:
    with pytest.raises(ValueError, match=r"@.*: a view is knocked out as view=shuffled or view=constant"):
        without(Catalog(2, {"a": torch.ones(3, 1), "b": torch.ones(3, 1)}), knock, 1)


def test_a_row_kept_of_all_cases_is_not_taken_for_one_of_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(variants, "digest", lambda layout, needs, *made_by: asked.append(made_by) or "kept")
    (tmp_path / "popularity-kept.json").write_text('{"epochs": 7}')
    for most in (0, 20, 30):
        params = read_yaml(ROOT / "params.yaml")
        layout = Layout(tmp_path, "temporal")
        assert variants.measured("popularity", params, layout, "excluded", tmp_path, most) == {"epochs": 7}
    assert len(set(asked)) == 3


def test_so_many_cases_are_drawn_the_same_for_every_row_and_stay_whole() -> None:
    none = torch.zeros(0, dtype=torch.long)
    events = Interactions(none, none, none, torch.zeros(2, dtype=torch.long), 0, 0)
    user_C = torch.arange(1, 51)
    cases = Cases(user_C, user_C + 100, user_C + 200, torch.stack([user_C, user_C + 300], 1))
    data = Data(events, events, cases, pl.DataFrame({"user": user_C.numpy()}), Catalog(2), 0, none)
    found = some(data, 20).cases
    assert some(data, 20).table["user"].to_list() == found.user_C.tolist()
    assert len(found) == 20
    assert found.user_C.tolist() == sorted(set(found.user_C.tolist()))
    assert torch.equal(found.position_C, found.user_C + 100)
    assert torch.equal(found.target_C, found.user_C + 200)
    assert found.candidate_CK is not None
    assert torch.equal(found.candidate_CK, torch.stack([found.user_C, found.user_C + 300], 1))
    assert torch.equal(some(data, 20).cases.user_C, found.user_C)
    assert some(data, 0) is some(data, 50) is data


def test_all_rows_learn_by_one_rule_and_a_row_at_its_cap_enters_no_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rules: dict[str, dict[str, Any]] = {}

    def measured(name: str, params: dict[str, Any], *rest: Any) -> dict[str, Any]:
        rules[name] = params["models"][model_of(name)].get("train", {})
        place = np.random.default_rng(len(rules)).integers(1, 60, 400).tolist()
        row = dict.fromkeys(("auc", "epochs", "best", "an_epoch", "gib"), 1.0) | {"rmse": None, "mae": None}
        return row | {"place": place, "capped": "text=none" in name}

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(variants, "measured", measured)
    monkeypatch.setattr(variants, "oracle", lambda layout: None)
    names = ["ante_rnn", "ante_rnn:text=none,image=mean", "gru4rec@image=shuffled", "popularity"]
    given = ["--patience", "7", "--keep", str(tmp_path), "--set", "+models.gru4rec.train.clip=2"]
    monkeypatch.setattr("sys.argv", ["variants", "demo", *names, *given])
    variants.main()
    rule = {"epochs": 300, "patience": 7, "decay": "none", "average": 0.1}
    assert all(rules[name].items() >= rule.items() for name in names[:3])
    assert rules["gru4rec@image=shuffled"]["clip"] == 2
    assert rules["popularity"] == {}
    said = capsys.readouterr().out
    rows, tests = said.split("\n\n")
    lines = {line.split(" | ")[0].lstrip("| "): line for line in rows.splitlines()}
    assert f"{names[1]} †" in lines
    assert [line.split(" | ")[0].lstrip("| ") for line in tests.splitlines()[2:]] == names[2:]


def test_each_seed_trains_and_the_mean_of_a_case_over_the_seeds_is_tested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hits = {
        "ease": {1: 0.5, 2: 0.5, 5: 0.5},
        "sasrec": {1: 0.75, 2: 0.25, 5: 0.75},
        "gru4rec": {1: 1.0, 2: 1.0, 5: 0.7},
    }
    asked = []

    def measured(name: str, params: dict[str, Any], *rest: Any) -> dict[str, Any]:
        seed = params["seed"]
        asked.append((name, seed))
        place = [1 if case < 400 * hits[name][seed] else 90 for case in range(400)]
        row = dict.fromkeys(("auc", "best", "an_epoch", "gib"), float(seed)) | {"rmse": None, "mae": None}
        return row | {"place": place, "epochs": 10 + seed, "capped": name == "gru4rec" and seed == 5}

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(variants, "measured", measured)
    monkeypatch.setattr(variants, "oracle", lambda layout: None)
    words = ["ease", "sasrec", "gru4rec", "--seeds", "1", "2", "5", "--keep", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["variants", "demo", *words])
    variants.main()
    assert asked == [(name, seed) for name in hits for seed in (1, 2, 5)]
    rows, tests = capsys.readouterr().out.split("\n\n")
    table = {line.split(" | ")[0].lstrip("| "): line.rstrip(" |").split(" | ")[1:] for line in rows.splitlines()}
    assert table["sasrec"][3] == f"0.5833 ± {np.std([0.75, 0.25, 0.75], ddof=1):.4f}"
    assert table["sasrec"][-4:] == ["11 (1.0), 12 (2.0), 15 (5.0)", "2.67", "5.00", "+0.0833"]
    assert "gru4rec †" in table, "capped in one seed"
    (tested,) = tests.splitlines()[2:]
    assert tested.rstrip(" |").split(" | ")[:3] == ["| sasrec", "+0.0833", "+0.2500 -0.2500 +0.2500"]
