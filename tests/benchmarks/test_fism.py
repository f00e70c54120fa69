"""The benchmark of fism's forms, on a shape of seconds."""

import pytest

from benchmarks import fism


def test_all_forms_take_the_same_steps_and_sums_are_the_faster(capsys: pytest.CaptureFixture[str]) -> None:
    """With histories of some 270 events, what was drawn twice left out, the explicit forms have far more to do."""
    taken = fism.main(
        ["--users", "40", "--items", "900", "--events", "12000", "--dim", "16", "--pairs", "3e6", "--cpu"]
    )
    assert taken.whole > 40 * 250**2 * 5  # of squares the mean is more than the square of the mean
    assert 0 < taken.paired <= 3e6 or len(taken.apart) == len(fism.EXPLICIT)
    assert len(taken.apart) >= len(fism.EXPLICIT)
    assert max(taken.apart) < 1e-5
    assert taken.slow_epoch("gathered") > taken.slow_epoch("pair by pair, compiled") > 5 * taken.epoch
    told = capsys.readouterr().out
    assert all(form in told for form in fism.EXPLICIT)
