"""The mean of weights is that of the formula, and what is validated and kept; the run goes on from its own ones."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from engine.training.average import Average
from engine.training.fit import Validated, fit
from tests.engine.training.test_fit import Slope, events, train


def walked(values: list[float], share: float) -> tuple[nn.Linear, Average]:
    """One weight that goes through some values, and its mean."""
    model = nn.Linear(1, 1, bias=False)
    average = Average(model, share)
    for value in values:
        nn.init.constant_(model.weight, value)
        average.update()
    return model, average


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=30), st.sampled_from([0.1, 0.25, 0.5, 1.0]))
def test_the_mean_is_that_of_its_source(values: list[int], share: float) -> None:
    """Shamir and Zhang: (1 - (1 + eta) / (t + eta)) of the mean, (1 + eta) / (t + eta) of the weights."""
    model, average = walked([float(value) for value in values], share)
    eta, mean = 1 / share - 1, 0.0
    for t, value in enumerate(values, 1):
        mean = (1 - (1 + eta) / (t + eta)) * mean + (1 + eta) / (t + eta) * value
    with average.taken():
        assert model.weight.item() == pytest.approx(mean, abs=1e-4)
    assert model.weight.item() == values[-1]
    average.take()
    assert model.weight.item() == pytest.approx(mean, abs=1e-4)


def test_of_all_steps_it_is_the_plain_mean_and_of_none_there_is_none() -> None:
    model, average = walked([1.0, 5.0, 3.0], 1.0)
    average.take()
    assert model.weight.item() == pytest.approx(3.0)
    model, average = walked([1.0, 5.0, 2.0], 0.0)
    average.take()
    assert model.weight.item() == 2.0
    assert average.mean == []


def test_the_window_grows_with_the_run() -> None:
    """Half of the weight lies on the last 1 - 2^-share of the steps, be they a hundred or ten thousand."""
    for steps in (100, 10_000):
        border = round(steps * 0.5**0.1)
        _, average = walked([0.0] * border + [1.0] * (steps - border), 0.1)
        assert average.mean[0].item() == pytest.approx(0.5, abs=0.05)


def test_weights_come_back_when_a_validation_fails() -> None:
    model, average = walked([1.0, 2.0], 1.0)
    with pytest.raises(KeyboardInterrupt), average.taken():
        raise KeyboardInterrupt
    assert model.weight.item() == 2.0


VALUES = [0.1, 0.2, 0.3, 0.9, 0.5, 0.4]
AVERAGED = train(average=0.5, patience=6)


def test_a_run_validates_and_keeps_the_mean_and_goes_on_from_its_own_weights(tmp_path: Path) -> None:
    ends = {}
    for name, settings in (("mean", AVERAGED), ("last", train(patience=6))):
        model, seen = Slope(), list[float]()

        def reading(model: Slope = model, seen: list[float] = seen) -> float:
            seen.append(model.value.item())
            return VALUES[len(seen) - 1]

        done = fit(model, events(), reading, settings, 1, tmp_path / "c.pt")
        assert model.value.item() == seen[3]
        ends[name] = (seen[3], done.losses)
    assert ends["mean"][1] == ends["last"][1], "the mean moves no step"
    assert 0.5 * ends["last"][0] < ends["mean"][0] < 0.9 * ends["last"][0], "what rises lies above its mean"


def test_a_killed_run_goes_on_with_its_mean(tmp_path: Path) -> None:
    seen: dict[str, list[float]] = {"whole": [], "cut": []}

    def learnt(name: str, until: int) -> float:
        model = Slope()

        def reading() -> float:
            if len(seen[name]) == until:
                raise KeyboardInterrupt
            seen[name].append(model.value.item())
            return VALUES[len(seen[name]) - 1]

        fit(model, events(), reading, AVERAGED, 1, tmp_path / f"{name}.pt")
        return model.value.item()

    whole = learnt("whole", 99)
    with pytest.raises(KeyboardInterrupt):
        learnt("cut", 3)
    assert learnt("cut", 99) == whole
    assert seen["cut"] == seen["whole"]


def test_a_run_that_nothing_validates_ends_at_the_mean_that_was_chosen(tmp_path: Path) -> None:
    chosen, again = Slope(), Slope()
    done = fit(chosen, events(), iter(VALUES).__next__, AVERAGED, 1, tmp_path / "c.pt")
    fit(again, events(), Validated({"": done.best_epoch}, {}), AVERAGED, 1, tmp_path / "d.pt")
    assert done.best_epoch == 4
    assert again.value.item() == chosen.value.item() > 0
