"""The tables of reasons: a model that cannot be asked is told, also where it is the only one."""

import sys
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from benchmarks import reasons
from engine.tables import store
from engine.tables.layout import Layout
from engine.tables.schemas import REGIONS, TRUTH, WORDS
from engine.training.catalog import Catalog
from tests.engine.evaluation import test_audience_erasure as of_ratings
from tests.engine.evaluation import test_history_erasure as of_items
from tests.engine.evaluation.test_part_erasure import Reader, table


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


@pytest.mark.parametrize("kind", ["ratings", "words"])
def test_claims_of_what_others_did_and_of_parts_left_out_have_lines(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world: Any = of_ratings if kind == "ratings" else of_items
    parts = table()
    model = of_ratings.Heard() if kind == "ratings" else Reader(parts)
    where: Any = SimpleNamespace(events=world.events(), catalog=Catalog(world.ITEMS, ragged={"words": parts}))
    monkeypatch.setattr(reasons, "drawn_cases", lambda *asked: world.cases())
    given = Namespace(cases=40, readings=["integrated", "leave_one_out"])
    rows = list(reasons.all_claims("m", [(model, where)], given, "kept", 1))
    asked = {kind: [row[2] for row in rows if row[1] == kind] for kind in dict.fromkeys(row[1] for row in rows)}
    if kind == "ratings":
        of_acts = ["integrated", "leave_one_out", "newest", "own_gate", "own_step_gate", "random"]
        assert {name: sorted(found) for name, found in asked.items()} == {"acts": of_acts, "item history": of_acts}
    else:
        assert asked["words left out"] == ["integrated", "leave_one_out", "random"]
        assert asked["words"] == ["integrated", "random"]
