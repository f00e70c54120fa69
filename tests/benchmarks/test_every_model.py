"""Every model in one table: one stopping rule, nothing done twice, what cannot be had is said."""

import json
import sys
from argparse import Namespace
from copy import deepcopy
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks import every_model
from engine.tables import store
from engine.tables.lacking import Lacking
from engine.tables.layout import Layout
from engine.tables.params import read_yaml
from engine.tables.schemas import RANKS

ROOT = Path(__file__).parents[2]

COST = {
    "ended_at_cap": 0, "seconds_an_epoch": 0.5, "seconds_to_the_best": 2.0, "seconds_training": 3.0, "peak_gib": 1.0,
    "parameters": 1234,
}  # fmt: skip
TEST = {
    "popularity": ({"recall@20": 0.1, "ndcg@10": 0.05}, {"epochs": 1, "ended_at_cap": 1}),
    "ease": ({"recall@20": 0.2, "ndcg@10": 0.10}, {"epochs": 3}),
    "sasrec": ({"recall@20": 0.3, "ndcg@10": 0.15}, {"epochs": 40, "ended_at_cap": 1}),
    "biases": ({"rmse": 0.9}, {"epochs": 6}),
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What was started; a cell's readings are written as the stages would."""
    found: list[list[str]] = []

    def run(stage: str, data: Path, protocol: str, params: list[str], threads: int, cell: Path) -> None:
        found.append([stage, *params])
        model = params[0].removeprefix("model=")
        if model not in TEST:
            raise Lacking(f"{stage}: no view 'regions'")
        (cell / "metrics").mkdir(parents=True, exist_ok=True)
        test, cost = TEST[model]
        (cell / "metrics" / "test.json").write_text(json.dumps(test))
        (cell / "metrics" / "cost.json").write_text(json.dumps(COST | cost))

    monkeypatch.setattr(every_model, "command", run)
    return found


def table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    monkeypatch.setattr(sys, "argv", ["every_model", "data/x", "--protocol", "temporal", *words])
    every_model.main()
    return capsys.readouterr().out.strip().splitlines()


def test_rows_stand_by_quality_with_their_costs_and_marks(
    tmp_path: Path, asked: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--out", str(tmp_path), "dataset=x", "--models", "biases", "popularity", "mahn", "ease", "sasrec")
    lines = table(monkeypatch, capsys, *words)
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| sasrec", "| ease", "| popularity", "| biases", "| mahn"]
    assert lines[2] == "| sasrec | 0.3000 | 0.1500 |  | 40 (cap) | 0.50 | 2 | 1.00 | 1,234 |"
    assert "| 1 | 0.50" in lines[4], "counting ends at no cap"
    assert "| 0.9000 | 6 |" in lines[5]
    assert "| mahn | train: no view 'regions' |" in lines[6]
    rule = [f"++models.sasrec.train.{each}" for each in ("epochs=300", "patience=20", "decay=none", "average=0.1")]
    assert ["train", "model=sasrec", *rule, "dataset=x"] in asked
    assert ["train", "model=ease", "dataset=x"] in asked, "what is solved for has no epochs to stop"
    asked.clear()
    assert table(monkeypatch, capsys, *words) == lines
    assert [each[1] for each in asked] == ["model=mahn"], "what was refused is tried again, nothing else"
    asked.clear()
    table(monkeypatch, capsys, *words, "--patience", "9")
    assert [each[1] for each in asked if each[0] == "train"] == ["model=mahn", "model=sasrec"], "of another rule"


def test_each_seed_is_kept_and_the_mean_of_a_case_over_the_seeds_is_tested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each case's target stands first with a chance that the model and the seed give."""
    share = {"ease": (0.5, 0.5, 0.5), "sasrec": (0.75, 0.25, 0.75), "gru4rec": (1.0, 1.0, 0.75)}
    asked: list[str] = []

    def run(stage: str, data: Path, protocol: str, params: list[str], threads: int, cell: Path) -> None:
        asked.append(f"{stage} {cell.name}")
        model, seed = (
            params[0].removeprefix("model="),
            int(("seed=1 " + " ".join(params)).split("seed=")[-1].split()[0]),
        )
        first = [case < 400 * share[model][seed - 1] for case in range(400)]
        counts = {"case": range(1, 401), "user": range(1, 401), "position": 3, "target": 5}
        ranks = pl.DataFrame(counts | {"greater": [0 if one else 50 for one in first], "ties": 0, "others": 99})
        store.write(ranks.cast(dict(RANKS.columns)), cell / "ranks" / "test.parquet", RANKS)  # type: ignore[arg-type]
        (cell / "metrics").mkdir(exist_ok=True)
        (cell / "metrics" / "test.json").write_text(json.dumps({"recall@20": 0.1, "ndcg@10": sum(first) / 400}))
        capped = int(model == "gru4rec" and seed == 3)
        cost = COST | {"epochs": 10 + seed, "ended_at_cap": capped, "peak_gib": float(seed)}
        (cell / "metrics" / "cost.json").write_text(json.dumps(cost))

    monkeypatch.setattr(every_model, "command", run)
    words = ("--out", str(tmp_path), "--models", *share, "--seeds", "1", "2", "3", "--against", "ease")
    lines = table(monkeypatch, capsys, *words)
    assert f"| sasrec | 0.1000 ± 0.0000 | 0.5833 ± {np.std([0.75, 0.25, 0.75], ddof=1):.4f} |  | 11/12/13 |" in lines[3]
    assert "| 3.00 | 1,234 |" in lines[3], "the greatest memory of the seeds"
    assert "11/12/13 (cap)" in lines[2]
    assert {f"sasrec{more}.json" for more in ("", "-2", "-3")} <= {path.name for path in tmp_path.glob("*.json")}
    assert lines[-3].startswith("| sasrec | +0.0833 | +0.2500 -0.2500 +0.2500 | ")
    assert lines[-1] == "In no test: gru4rec", "capped in one seed"
    asked.clear()
    assert table(monkeypatch, capsys, *words) == lines
    assert not asked
    (tmp_path / "ease-2" / "ranks" / "test.parquet").unlink()
    with pytest.raises(ValueError, match="--against ease: it was refused, ended at its cap, or has no ranks"):
        table(monkeypatch, capsys, *words)
    run("evaluate", tmp_path, "temporal", ["model=sasrec", "seed=2"], 1, tmp_path / "ease-2")
    with pytest.raises(ValueError, match="has no ranks"):  # those there are another model's
        table(monkeypatch, capsys, *words)


def test_kept_rows_lie_apart_and_change_with_their_section(
    tmp_path: Path, asked: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--out", str(tmp_path / "out"), "--kept", str(tmp_path / "kept"), "--models", "ease")
    lines = table(monkeypatch, capsys, *words)
    kept = tmp_path / "kept" / "ease.json"
    assert [path.name for path in kept.parent.iterdir()] == ["ease.json"]
    (tmp_path / "out" / "ease" / "metrics" / "test.json").unlink()
    assert table(monkeypatch, capsys, *words) == lines
    known = json.loads(kept.read_text())
    kept.write_text(json.dumps(known | {"section": known["section"] | {"penalty": 7}, "ndcg@10": 0.9}))
    assert table(monkeypatch, capsys, *words) == lines, "of another section, so read anew"
    assert [each[0] for each in asked] == ["train", "evaluate"] * 2


def test_an_error_that_no_stage_said_stops_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def killed(*_: object) -> None:
        raise RuntimeError("python -m stages.train\nKilled")

    monkeypatch.setattr(every_model, "command", killed)
    with pytest.raises(RuntimeError, match="Killed"):
        table(monkeypatch, capsys, "--out", str(tmp_path), "--models", "ease")


def test_what_all_models_learn_by_counts_too(
    tmp_path: Path, asked: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--out", str(tmp_path / "out"), "--kept", str(tmp_path / "kept"), "--models", "ease", "sasrec")
    table(monkeypatch, capsys, *words)
    for model in ("ease", "sasrec"):
        kept = tmp_path / "kept" / f"{model}.json"
        known = json.loads(kept.read_text())
        assert ("train" in known) == (model == "sasrec")
        kept.write_text(json.dumps(known | {"train": {"steps": 7}} if model == "sasrec" else known))
    asked.clear()
    table(monkeypatch, capsys, *words)
    assert [each[1] for each in asked if each[0] == "train"] == ["model=sasrec"]


def test_a_row_of_other_data_another_split_or_seed_is_read_anew(
    tmp_path: Path, asked: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--out", str(tmp_path / "out"), "--kept", str(tmp_path / "kept"), "--models", "ease")
    params, tables = read_yaml(ROOT / "params.yaml"), {"data/x": "one"}
    monkeypatch.setattr(every_model, "read_yaml", lambda path: deepcopy(params))
    monkeypatch.setattr(every_model, "digest", lambda layout, needs: tables[str(layout.root)])

    def read(*more: str) -> int:
        asked.clear()
        table(monkeypatch, capsys, *words, *more)
        return len(asked)

    assert (read(), read()) == (2, 0)
    for change in (
        lambda: tables.update({"data/x": "other"}),
        lambda: params["protocols"]["temporal"].update(cases=7),
        lambda: params.update(seed=2),
        lambda: params["evaluate"].update(cold="dropped"),
    ):
        change()
        assert (read(), read()) == (2, 0)
    (tmp_path / "kept" / "ease.json").write_text('{"ndcg@10": 0.')
    assert (read(), read()) == (2, 0), "half a row is none"


def test_what_a_model_reads_counts(tmp_path: Path) -> None:
    layout, given = Layout(tmp_path, "temporal"), Namespace(data=tmp_path, protocol="temporal")
    assert every_model.tables_of("vbpr", {}, given) == ""
    for path in (layout.split, layout.cases, layout.image):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("one")
    found = {model: every_model.tables_of(model, {}, given) for model in ("ease", "vbpr")}
    layout.image.write_text("other")
    assert every_model.tables_of("ease", {}, given) == found["ease"], "it reads no pictures"
    assert every_model.tables_of("vbpr", {}, given) not in ("", found["vbpr"])
    layout.cases.write_text("other")
    assert every_model.tables_of("ease", {}, given) != found["ease"]


def test_what_a_file_of_found_settings_holds_counts(
    tmp_path: Path, asked: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = tmp_path / "tuned.yaml"
    words = ("dataset=x", f"@{found}", "--out", str(tmp_path / "out"), "--models", "ease", "sasrec")
    for penalty in (7, 8):
        found.write_text(f"x: {{temporal: {{ease: {{settings: ++models.ease.penalty={penalty}}}}}}}")
        asked.clear()
        lines = table(monkeypatch, capsys, *words)
        assert asked[0] == ["train", "model=ease", "dataset=x", f"++models.ease.penalty={penalty}"]
        assert "| sasrec | " in lines[-1]
        assert "nothing for x, temporal, sasrec" in lines[-1]
