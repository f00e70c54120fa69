"""Settings with several values: every one is tried, validation chooses."""

from pathlib import Path
from typing import final

import pytest
import torch
from torch import Tensor

from engine.training.batch import Batch
from engine.training.choices import combinations
from engine.training.contract import Tuned
from engine.training.fit import fit
from engine.training.interactions import Interactions
from engine.training.needs import Needs
from tests.engine.training.test_fit import events, train


def test_combinations_in_order() -> None:
    assert combinations() == [{}]
    assert combinations(a=1) == [{"a": 1}]
    expected = [{"a": 1, "b": 5}, {"a": 1, "b": 6}, {"a": 2, "b": 5}, {"a": 2, "b": 6}]
    assert combinations(a=(1, 2), b=(5, 6)) == expected


class Shift(Tuned):
    """Its score is the chosen number plus what solving counted."""

    chosen_S: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("chosen_S", torch.tensor([2.0]))
        self.register_buffer("count", torch.zeros(()))

    @property
    def needs(self) -> Needs:
        return Needs()

    @property
    def choices(self) -> list[dict[str, float]]:
        return combinations(shift=(2, 7, 5, 7))

    @property
    def chosen(self) -> dict[str, float]:
        return {"shift": float(self.chosen_S[0])}

    def choose(self, choice: dict[str, float]) -> None:
        self.chosen_S.fill_(choice["shift"])

    def solve(self, train: Interactions) -> None:
        self.count.copy_(len(train) + 100 * self.chosen_S[0])

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        return self.count.expand(item_BK.shape)


@pytest.mark.parametrize(("best", "place"), [(2, 1), (7, 2), (5, 3)])
def test_the_best_choice_is_kept_with_what_it_solved_and_the_first_of_equals(
    tmp_path: Path, best: float, place: int
) -> None:
    model = Shift()
    done = fit(model, events(), lambda: -abs(model.chosen["shift"] - best), train(), 1, tmp_path / "x.pt")
    assert model.chosen == {"shift": best}
    assert float(model.count) == 40 + 100 * best
    assert (done.epoch, done.best_epoch, done.best) == (4, place, 0.0)
    assert [epoch for epoch, _ in done.readings] == [1, 2, 3, 4]
    assert len(done.seconds) == 4
    other = Shift()
    other.load_state_dict(model.state_dict())
    assert other.chosen == {"shift": best}


@final
class Diverging(Shift):
    """Above a number what solving gives is not finite."""

    most = 6.0

    def solve(self, train: Interactions) -> None:
        self.count.fill_(torch.inf if self.chosen["shift"] > self.most else 1.0)


def test_a_choice_that_diverges_is_left_out_in_words(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Even where its reading is the highest, as a comparison with no number may be."""
    model = Diverging()
    done = fit(model, events(), lambda: model.chosen["shift"], train(), 1, tmp_path / "x.pt")
    assert (model.chosen, float(model.count), done.best_epoch) == ({"shift": 5.0}, 1.0, 3)
    assert done.readings == [(1, 2.0), (3, 5.0)]
    assert caplog.text.count("with {'shift': 7} its numbers are not finite: left out") == 2


def test_where_every_choice_diverges_nothing_is_kept(tmp_path: Path) -> None:
    model = Diverging()
    model.most = 0.0
    with pytest.raises(FloatingPointError, match=r"with {'shift': 2}, .*not finite: a lower rate or a higher penalty"):
        fit(model, events(), lambda: 0.0, train(), 1, tmp_path / "x.pt")
    with pytest.raises(FloatingPointError, match="not finite"):
        fit(Shift(), events(), lambda: float("nan"), train(), 1, tmp_path / "x.pt")
