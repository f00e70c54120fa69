"""The log that is drawn for the benchmark of `recommend`, and a stage as it is timed."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import recommend


def test_a_drawn_log_has_everyone_and_own_groups() -> None:
    log = recommend.made(400, 900)
    assert log["user"].unique().sort().to_list() == list(range(400))
    assert 25 < len(log) / 400 < 37
    assert 0 <= log["item"].min() <= log["item"].max() < 900  # type: ignore[operator]
    assert log.equals(recommend.made(400, 900))
    times_of_an_item = np.bincount(log["item"].to_numpy(), minlength=900)
    assert np.sort(times_of_an_item)[-90:].sum() > 2 * len(log) * 90 / 900  # some are chosen far oftener


def test_a_stage_that_fails_is_said(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"-m stages\.ingest .* dataset=nowhere ended with 1"):
        recommend.timed("ingest", tmp_path, "temporal", ["dataset=nowhere"])
