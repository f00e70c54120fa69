"""The log that is drawn for the benchmark of `recommend`, and a stage as it is timed."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import recommend
from engine.tables.layout import Layout


def test_a_drawn_log_has_everyone_and_own_groups() -> None:
    log = recommend.made(400, 900)
    assert log["user"].unique().sort().to_list() == list(range(400))
    assert 30 < len(log) / 400 < 32
    assert 0 <= log["item"].min() <= log["item"].max() < 900  # type: ignore[operator]
    assert log.equals(recommend.made(400, 900))
    times_of_an_item = np.bincount(log["item"].to_numpy(), minlength=900)
    assert np.sort(times_of_an_item)[-90:].sum() > 2 * len(log) * 90 / 900  # some are chosen far oftener
    assert times_of_an_item[:90].sum() > 0.2 * len(log)  # three acts of ten are of what is popular, the first items


def test_a_stage_that_fails_is_said(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"-m stages\.ingest .* dataset=nowhere ended with 1"):
        recommend.timed("ingest", tmp_path, "temporal", ["dataset=nowhere"])


def test_another_log_is_not_taken_for_the_one_that_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = Layout(tmp_path / "data", "temporal").topic_history
    history.parent.mkdir(parents=True)
    history.touch()
    monkeypatch.setattr("sys.argv", ["recommend", str(tmp_path), "--made", "20", "30"])
    with pytest.raises(SystemExit, match=r"was prepared of another log than --made \[20, 30\]"):
        recommend.main()
    assert not list(tmp_path.glob("*.csv"))
