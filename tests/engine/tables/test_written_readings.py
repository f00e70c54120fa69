"""Readings hold no NaN, overrides can empty a setting, and a table's path is no pattern."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from engine.tables import files, store
from engine.tables.params import override
from engine.tables.schemas import USERS


def test_a_reading_that_is_not_finite_is_null(tmp_path: Path) -> None:
    files.write_json({"nan": float("nan"), "inf": -float("inf"), "half": 0.5}, tmp_path / "m.json")
    assert json.loads((tmp_path / "m.json").read_text()) == {"nan": None, "inf": None, "half": 0.5}
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json({"listed": [float("nan")]}, tmp_path / "n.json")
    assert not (tmp_path / "n.json").exists()
    files.write_json({"section": {"deep": {"nan": float("nan"), "half": 0.5}}}, tmp_path / "s.json")
    assert json.loads((tmp_path / "s.json").read_text()) == {"section": {"deep": {"nan": None, "half": 0.5}}}


def test_an_override_without_a_value_empties_the_setting() -> None:
    params: dict[str, Any] = {"table": {"time": "time", "count": 3}}
    override(params, "table.time=")
    override(params, "table.count=5")
    assert params == {"table": {"time": "", "count": 5}}


def test_a_table_is_read_from_its_own_path(tmp_path: Path) -> None:
    for name, raw in (("[1]", "right"), ("1", "wrong")):
        store.write(
            pl.DataFrame({"user": [1], "raw": [raw]}, schema=dict(USERS.columns)), tmp_path / name / "u.parquet", USERS
        )
    path = tmp_path / "[1]" / "u.parquet"
    assert store.read(path, USERS)["raw"].to_list() == ["right"]
    assert store.read_slice(path, USERS, 0, 1, ["raw"])["raw"].to_list() == ["right"]
