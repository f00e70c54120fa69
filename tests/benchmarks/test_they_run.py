"""Benchmarks of speed that docs/results/speed.md names run as they are written, on worlds of a few events."""

import re
import runpy
import sys
from pathlib import Path

import pytest

FEW = ["--users", "12", "--items", "30", "--events", "300"]
LINES = {
    "ante": [*FEW, "--words", "6", "--regions", "3", "--topics", "4", "--steps", "4", "--rows", "4"],
    "iarn": ["--length", "3", "--steps", "1", "--rounds", "1", "--threads", "1", "+models.iarn.inner=8"],
    "iris": [*FEW, "--image", "8", "--text", "6", "--dim", "4", "--rows", "4", "--length", "20", "--steps", "2"],
    "similarity": ["--people", "3", "--cases", "2", "--length", "5", "--items", "40", "--dim", "4", "--some", "2"],
}


@pytest.mark.parametrize("name", LINES)
def test_a_benchmark_prints_its_figures(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [name, *LINES[name]])
    monkeypatch.delitem(sys.modules, f"benchmarks.{name}", raising=False)  # another test may have read it
    runpy.run_module(f"benchmarks.{name}", run_name="__main__")
    told = capsys.readouterr().out
    assert re.search(r"\d+ alternations, \d{4}-\d\d-\d\d, ", told), "rounds, day and machine belong beside figures"
    assert len(re.findall(r"\d+\.\d", told)) > 3 or "pairs a second" in told


def test_every_benchmark_of_the_table_is_one_that_there_is() -> None:
    root = Path(__file__).parents[2]
    pages = [page.read_text() for page in (root / "docs/results").glob("*.md")]
    named = set(re.findall(r"python -m benchmarks\.(\w+)", "\n".join(pages)))
    assert set(LINES) < named
    assert {path.stem for path in (root / "benchmarks").iterdir()} >= named
