"""Every model in one table: one stopping rule, nothing done twice, what cannot be had is said."""

import json
import sys
from argparse import Namespace
from copy import deepcopy
from pathlib import Path

import pytest

from benchmarks import every_model
from engine.tables.lacking import Lacking
from engine.tables.layout import Layout
from engine.tables.params import read_yaml

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
