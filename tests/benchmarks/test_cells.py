"""A stage as a benchmark starts it."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import cells


def test_a_command_that_fails_is_shown_with_what_it_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = SimpleNamespace(returncode=1, stdout="out ", stderr="ingest: no such file")
    monkeypatch.setattr(cells.subprocess, "run", lambda words, **how: said)
    with pytest.raises(RuntimeError, match=r"-m stages\.ingest .*\n.*no such file"):
        cells.command("ingest", tmp_path, "leave_one_out", [], 1)
