"""IARN's Table 1: who counts, whose events, and how long histories are before the test."""

import csv
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from engine.tables import store
from engine.tables.params import read_yaml
from engine.tables.schemas import ITEMS, SPLIT
from stages.compare import paper_counts
from stages.compare.paper_counts import LEAST, counts
from stages.evaluate.rating_errors import FEW

ROOT = Path(__file__).parents[3]
EVENTS = [  # user, item, part; the third person is new in the test, the fourth item too
    *((1, item, "train") for item in (1, 2, 3)), (1, 1, "test"),
    *((2, item, "train") for item in (1, 2)), (2, 1, "valid"), (2, 4, "test"),
    (3, 2, "test"),
]  # fmt: skip


def split(rated: bool = True) -> pl.DataFrame:
    rows = [
        (user, place, item, datetime(2020, 1, 1 + place, tzinfo=UTC), part, 4.0 if rated else None)
        for place, (user, item, part) in enumerate(EVENTS)
    ]
    return pl.DataFrame(rows, schema=dict(SPLIT.columns), orient="row")


def items() -> pl.DataFrame:
    paths = [[["film", "war"], ["film", "old"]], [["film"]], None, [["book"]]]
    rows = [(n, str(n), None, path, None) for n, path in enumerate(paths, 1)]
    return pl.DataFrame(rows, schema=dict(ITEMS.columns), orient="row")


def test_who_is_met_in_the_test_alone_is_not_counted() -> None:
    found = counts(split(), items())
    assert (found["users"], found["items"], found["features"]) == (2, 3, 3)
    assert (found["events"], found["ratings"]) == (7, 7), "the test's of people and items that were met before"
    assert (found["user_length"], found["item_length"]) == (6 / 2, 6 / 3)
    assert LEAST == FEW, "what evaluate.cold: dropped leaves out"
    assert counts(split(rated=False), items())["ratings"] == 0


def test_both_sides_are_counted_before_either_is_left_out() -> None:
    """Item 1 alone has three events before the test; both people have three, though fewer of what is left."""
    found = counts(split(), items(), least=3)
    assert (found["users"], found["items"], found["events"]) == (2, 1, 4)
    assert (found["user_length"], found["item_length"]) == (3 / 2, 3)
    assert found["features"] == 3


def test_the_command_writes_what_is_printed_beside_what_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listed, out = tmp_path / "cells.yaml", tmp_path / "counts.csv"
    printed = read_yaml(ROOT / "papers/cells.yaml")["counts"]
    listed.write_text(json.dumps({"dataset": "shop", "content": "none", "seed": 1, "counts": printed}))
    store.write(items(), tmp_path / "items.parquet", ITEMS)
    words = [str(one) for one in (listed, tmp_path / "prepared", tmp_path / "items.parquet", out)]
    monkeypatch.setattr(sys, "argv", ["paper_counts", *words])
    with pytest.raises(SystemExit) as refused:
        paper_counts.main()
    assert refused.value.code == 3
    assert "no split by one moment" in capsys.readouterr().err
    store.write(split(), tmp_path / "prepared" / "events.parquet", SPLIT, {"items": 4, "users": 3})
    paper_counts.main()
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [row["data"] for row in rows] == [*printed, "shop", "shop"]
    film = next(row for row in rows if row["data"] == "MovieLens")
    assert (film["users"], film["features"], film["user_length"], film["events"]) == ("9737", "19", "31.07", "")
    assert rows[0]["features"] == "", "Netflix has none"
    assert (rows[-2]["users"], rows[-2]["user_length"], rows[-1]["items"]) == ("2", "3.00", "1")
