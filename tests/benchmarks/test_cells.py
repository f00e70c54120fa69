"""A stage as a benchmark starts it."""

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
