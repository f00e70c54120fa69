"""The benchmark of fism's two forms, on a shape of seconds."""

import pytest

from benchmarks import fism


def test_both_forms_take_the_same_steps_and_sums_are_the_faster(capsys: pytest.CaptureFixture[str]) -> None:
    """With histories of some 270 events, what was drawn twice left out, the form of pairs has far more to do."""
    taken = fism.main(
        ["--users", "40", "--items", "900", "--events", "12000", "--dim", "16", "--pairs", "1e7", "--cpu"]
    )
    assert taken.whole > 40 * 250**2 * 5  # of squares the mean is more than the square of the mean
    assert 0 < taken.paired <= 1e7 or len(taken.apart) == 1
    assert max(taken.apart) < 1e-5
    assert taken.slow_epoch > 5 * taken.epoch
    assert "pair by pair" in capsys.readouterr().out
