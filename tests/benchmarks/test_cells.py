"""A stage as a benchmark starts it."""

import argparse
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import cells
from engine.tables.lacking import STATUS, Lacking


def test_a_command_that_fails_is_shown_with_what_it_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = SimpleNamespace(returncode=1, stdout="out ", stderr="ingest: no such file")
    monkeypatch.setattr(cells.subprocess, "run", lambda words, **how: said)
    with pytest.raises(RuntimeError, match=r"-m stages\.ingest .*\n.*no such file"):
        cells.command("ingest", tmp_path, "leave_one_out", [], 1)


def test_what_the_data_lacks_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = SimpleNamespace(returncode=STATUS, stdout="", stderr="INFO\ntrain: no view 'image'\n(set WHYREC_TRACE=1)")
    monkeypatch.setattr(cells.subprocess, "run", lambda words, **how: said)
    with pytest.raises(Lacking, match="train: no view 'image'"):
        cells.command("train", tmp_path, "leave_one_out", [], 1)


def test_a_table_is_filled_to_its_head() -> None:
    assert cells.markdown([["a", "b", "c"], ["1", "2"]]) == "| a | b | c |\n| --- | --- | --- |\n| 1 | 2 |  |"


def test_a_kept_row_is_taken_where_it_was_made_of_the_same_and_is_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "row.json"
    assert cells.earlier(kept, {}) is None
    kept.write_text('{"seed": 1, "section": {"dim": [8]}, "ndcg": 0.5}')
    assert cells.earlier(kept, {"seed": 1, "section": {"dim": [8]}}) == {
        "seed": 1,
        "section": {"dim": [8]},
        "ndcg": 0.5,
    }
    for other in ({"seed": 2}, {"section": {"dim": [9]}}, {"data": "x"}):
        assert cells.earlier(kept, other) is None
    kept.write_text('{"seed": 1, "ndcg')
    assert cells.earlier(kept, {"seed": 1}) is None
    assert f"{kept}: no whole row" in capsys.readouterr().err


def test_what_is_refused_is_a_line_and_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    params = {"models": {"ease": {}}, "protocols": {"temporal": {}}}
    with pytest.raises(SystemExit, match=r"x: params\.yaml has no model 'eas'; there are ease"), cells.refused("x"):
        cells.section("eas", params)
    with (
        pytest.raises(SystemExit, match=r"x: models\.ease\.length=5 is a setting and stands where models"),
        cells.refused("x"),
    ):
        cells.section("models.ease.length=5", params)
    with (
        pytest.raises(SystemExit, match=r"x: params\.yaml has no protocol 't'; there are temporal"),
        cells.refused("x"),
    ):
        cells.seen_by("t", params)
    with pytest.raises(SystemExit, match="x: no such key"), cells.refused("x"):
        raise KeyError("no such key")
    with pytest.raises(SystemExit, match=r"x: stages\.train ended"), cells.refused("x"):
        raise cells.StageFailedError("stages.train ended")
    monkeypatch.setenv("WHYREC_TRACE", "1")
    with pytest.raises(FileNotFoundError), cells.refused("x"):
        raise FileNotFoundError("gone")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--seeds", "1", "2", "1"], "--seeds: 1 stands there twice"),
        (["--cases", "-3"], "a whole number from 0, found -3"),
    ],
)
def test_a_seed_twice_and_fewer_than_no_cases_are_refused(
    words: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", nargs="+", type=int, action=cells.Apart)
    parser.add_argument("--cases", type=cells.count)
    assert parser.parse_args(["--seeds", "1", "2", "--cases", "0"]).seeds == [1, 2]
    with pytest.raises(SystemExit):
        parser.parse_args(words)
    assert why in capsys.readouterr().err
