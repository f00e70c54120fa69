"""Readings of a score by a model whose effects are known by hand: they add up, or two acts need each other."""

import contextlib
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from engine.evaluation.question import Question
from engine.evaluation.readings import READINGS, rankings, read
from engine.evaluation.redrawn import redrawn
from engine.training.batch import Batch
from engine.training.catalog import Catalog, Ragged
from engine.training.contract import CatalogScorer, Solver, Weights
from engine.training.needs import Needs

ITEMS = 4


class Pairs(CatalogScorer):
    """Item 1's score is what its history's items give, and once more for a 2 and a 3 together; words give by half."""

    needs = Needs(length=4, views=frozenset({"words"}))

    def __init__(self) -> None:
        super().__init__()
        self.gain_N = nn.Parameter(torch.tensor([0.0, 1.0, 2.0, 4.0, 8.0]))

    def score_all(self, batch: Batch) -> Tensor:
        there_BL = batch.present(batch.valid_BL[..., None].float())[..., 0]
        both_B = (there_BL * (batch.item_BL == 2)).sum(1) * (there_BL * (batch.item_BL == 3)).sum(1)
        word_BL = torch.zeros_like(there_BL)
        if batch.part_presence and "words" in batch.part_presence:
            word_BL = batch.part_presence["words"].square().sum(2) - 2
        own_B = (self.gain_N[batch.item_BL] * there_BL + word_BL / 2 * batch.valid_BL).sum(1) + both_B
        return nn.functional.pad(own_B[:, None], (1, ITEMS - 1))

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        return self.score_all(batch).gather(1, item_BK)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Question:
    """Items 2, 3, 4 and 4 alone, each with two words; what is explained is the score itself."""
    item_BL = torch.tensor([[2, 3, 4], [4, 0, 0]])
    batch = Batch(torch.tensor([1, 2]), item_BL, torch.tensor([3, 1]), (item_BL > 0).cumsum(1) * (item_BL > 0))
    words = Ragged(torch.ones(8, 2), torch.tensor([0, 0, 2, 4, 6, 8]))

    def score(
        model: Pairs, batch: Batch, item_B: Tensor, among_BK: Tensor | None = None, place_B: Tensor | None = None
    ) -> Tensor:
        assert place_B is None or torch.equal(place_B, torch.arange(len(item_B)))  # each row its own
        return model.score(batch, item_B[:, None])[:, 0]

    for room in ("influence", "question", "mean_item"):
        monkeypatch.setattr(f"engine.evaluation.{room}.log_probability", score)
    return Question(Pairs().eval(), batch, torch.tensor([1, 1]), Catalog(ITEMS, ragged={"words": words}))


def test_each_reading_of_the_acts_is_as_by_hand(asked: Question) -> None:
    # 2 and 3 give 1 more together: each alone takes all of it, in the mean of orders a half, and so on the way
    by_hand = {
        "gradient": [[3.0, 5, 8], [8, 0, 0]],
        "integrated": [[2.5, 4.5, 8], [8, 0, 0]],
        "leave_one_out": [[3.0, 5, 8], [8, 0, 0]],
        "shapley": [[2.5, 4.5, 8], [8, 0, 0]],
        "combined": [[2.75, 4.75, 8], [8, 0, 0]],
        "integrated_from_mean": [
            [0.0, 0, 0],
            [0, 0, 0],
        ],  # what is made of an act is 1, as of the mean item
    }
    assert set(by_hand) == set(READINGS)
    for reading in READINGS:
        (found,) = read(asked, reading, ("history",))
        torch.testing.assert_close(found.value, torch.tensor(by_hand[reading]))
        assert (found.over, found.kind, found.faithful) == ("history", "signed", False)
        assert not found.value.requires_grad


def test_a_square_is_halved_on_the_way_and_whole_at_its_end(asked: Question) -> None:
    # half of the square of each word's presence: slope 1 at 1, the mean slope over the way a half, as its absence takes
    for reading, each in (("gradient", 1.0), ("integrated", 0.5), ("leave_one_out", 0.5)):
        (found,) = read(asked, reading, ("word",))
        assert found.value.tolist() == [[[each] * 2] * 3, [[each] * 2, [0.0] * 2, [0.0] * 2]], reading
    assert read(asked, "shapley", ("word",)) == []


@pytest.mark.parametrize("padding", range(6))
def test_shapley_values_add_up_in_whatever_orders_and_each_order_goes_both_ways(asked: Question, padding: int) -> None:
    wide = {name: nn.functional.pad(getattr(asked.batch, name), (0, padding)) for name in ("item_BL", "event_BL")}
    (found,) = read(replace(asked, batch=asked.batch.but(**wide)), "shapley", ("history",))
    assert found.value[0].tolist() == [2.5, 4.5, 8.0, *[0.0] * padding]
    assert found.value[1].tolist() == [8.0, *[0.0] * (2 + padding)]


def test_an_unknown_reading_is_refused_by_name(asked: Question) -> None:
    with pytest.raises(ValueError, match="no reading 'lime'; there are gradient, integrated"):
        read(asked, "lime")  # type: ignore[arg-type]


def test_all_rankings_stand_beside_each_other(asked: Question) -> None:
    valid_BL = torch.tensor([[True, False, True], [True, False, False]])
    own = [Weights(torch.full((2, 3), 0.5), "history", "share", True, valid_BL)]
    own += [Weights(torch.ones(2, 3), "word", "share", True, valid_BL)]
    found = rankings(asked, own, ("gradient",), lambda there: there.double() / 4)
    assert list(found) == ["own_share", "gradient", "newest", "random"]
    assert found["own_share"].tolist() == [[0.5, 0.0, 0.5], [0.5, 0.0, 0.0]]
    assert found["newest"].tolist() == [[0.0, 1.0, 2.0]] * 2
    assert found["random"].tolist() == [[0.25] * 3, [0.25, 0.0, 0.0]]


def test_redrawn_parameters_are_the_same_values_elsewhere_and_come_back() -> None:
    model = Pairs()
    model.gain_N.data = torch.arange(20.0)
    with contextlib.suppress(RuntimeError), redrawn(model, 3):
        assert model.gain_N[0] == 0  # what is 0 stays so
        assert model.gain_N.tolist() != list(range(20))
        assert sorted(model.gain_N.tolist()) == list(range(20))
        raise RuntimeError("within")
    assert model.gain_N.tolist() == list(range(20))


class Counted(Solver):
    """What it solved for lies in a buffer, its choice in another."""

    needs = Needs(length=2)

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("matrix_NN", torch.arange(16.0).view(4, 4))
        self.register_buffer("chosen_S", torch.tensor([1.0, 2.0, 3.0, 4.0]))
        self.register_buffer("picture_ND", torch.arange(9.0), persistent=False)

    def solve(self, train: object) -> None:
        raise NotImplementedError

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        raise NotImplementedError


def test_what_a_solver_solved_for_is_redrawn_and_neither_its_choice_nor_the_catalog() -> None:
    model = Counted()
    with redrawn(model, 1):
        assert model.matrix_NN.flatten().tolist() != list(range(16))
        assert sorted(model.matrix_NN.flatten().tolist()) == list(range(16))
        assert model.chosen_S.tolist() == [1, 2, 3, 4]
        assert model.picture_ND.tolist() == list(range(9))
    assert model.matrix_NN.flatten().tolist() == list(range(16))
