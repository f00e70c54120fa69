"""The tables of reasons: a model that cannot be asked is told, also where it is the only one."""

import sys
from pathlib import Path

import polars as pl
import pytest

from benchmarks import reasons
from engine.tables import store
from engine.tables.layout import Layout
from engine.tables.schemas import REGIONS, TRUTH, WORDS


@pytest.mark.parametrize("model", ["popularity", "hyperrec"])
def test_what_cannot_be_asked_says_why(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """popularity reads no history; the model with one is refused by its data."""
    layout = Layout(tmp_path, "temporal")
    for path, schema in ((layout.truth, TRUTH), (layout.words, WORDS), (layout.regions, REGIONS)):
        store.write(pl.DataFrame(schema=schema.columns), path, schema)
    monkeypatch.setattr(sys, "argv", ["reasons", str(tmp_path), "--protocol", "temporal", model])

    def lacks(name: str, *rest: object) -> None:
        raise reasons.Lacking(f"{name} wants times")

    monkeypatch.setattr(reasons, "restored", lacks)
    reasons.main()
    why = "reads no history" if model == "popularity" else "cannot be had: hyperrec wants times"
    assert f"| {model} | {why} |" in capsys.readouterr().out
