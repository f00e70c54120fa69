"""The mean item in an act's place, in models whose vectors of acts are known."""

import pytest
import torch
from torch import Tensor, nn

from engine.evaluation.claims import examine
from engine.evaluation.mean_item import ROWS, MeanItem, makes_vectors
from engine.evaluation.question import Question, log_probability
from engine.evaluation.readings import read
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import CatalogScorer
from engine.training.needs import Needs
from tests.engine.evaluation.test_history_erasure import ITEMS, LENGTH, cases, events


class Rows(CatalogScorer):
    """A score is the sum of the acts' rows; where `counts`, acts count by their presence and have no vector."""

    needs = Needs(length=LENGTH)

    def __init__(self, counts: bool = False) -> None:
        super().__init__()
        self.counts = counts
        generator = torch.Generator().manual_seed(5)
        self.row_NN = nn.Parameter(torch.rand(ITEMS + 1, ITEMS + 1, generator=generator))

    def score_all(self, batch: Batch) -> Tensor:
        row_BLN = self.row_NN[batch.item_BL]
        if self.counts:
            there_BL = batch.valid_BL if batch.presence_BL is None else batch.valid_BL * batch.presence_BL
            return (row_BLN * there_BL[..., None]).sum(1)
        return (batch.present(row_BLN) * batch.valid_BL[..., None]).sum(1)

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        return self.score_all(batch).gather(1, item_BK)


def three_rows() -> Batch:
    item_BL = torch.tensor([[2, 3, 4, 5], [0, 0, 0, 0], [7, 7, 0, 0]])
    return Batch(torch.tensor([1, 2, 3]), item_BL, (item_BL > 0).sum(1), (item_BL > 0).cumsum(1) * (item_BL > 0))


def mean_row(model: Rows) -> Tensor:
    return model.row_NN[1:].mean(0).detach()


def test_an_act_that_is_not_there_is_the_mean_of_all_items_alike() -> None:
    model, batch = Rows(), three_rows()
    mean = MeanItem.beside(batch, ITEMS)
    given = mean.batch.item_BL[3:][mean.batch.valid_BL[3:]]
    assert given.bincount(minlength=ITEMS + 1)[1:].unique().numel() <= 2, "each item as often as any other"
    assert not (mean.row_R[3:] == 1).any(), "who did nothing tells nothing of acts"
    gone_BL = torch.tensor([[1.0, 0, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1]])
    score_BN = model.score_all(mean.within(gone_BL))[:3].detach()
    row_NN = model.row_NN.detach()
    drawn_N = row_NN[given].mean(0)
    torch.testing.assert_close(score_BN[0], row_NN[2] + row_NN[4] + 2 * drawn_N)
    torch.testing.assert_close(score_BN[1:], model.score_all(batch)[1:].detach())
    assert (drawn_N - mean_row(model)).abs().max() < 0.05
    assert len(mean.row_R) == 3 + ROWS


def test_the_way_from_the_mean_item_adds_up_to_what_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = Rows(), three_rows()

    def score(model: Rows, batch: Batch, item_B: Tensor, among_BK: Tensor | None = None) -> Tensor:
        return model.score(batch, item_B[:, None])[:, 0]

    monkeypatch.setattr("engine.evaluation.mean_item.log_probability", score)
    item_B = torch.tensor([1, 1, 6])
    (found,) = read(Question(model, batch, item_B, Catalog(ITEMS)), "integrated_from_mean", ("history", "word"))
    mean = MeanItem.beside(batch, ITEMS)
    mean_N = model.row_NN[mean.batch.item_BL][mean.batch.reference_BL].mean(0).detach()
    own_BL = model.row_NN.detach()[batch.item_BL].gather(2, item_B[:, None, None].expand(-1, 4, 1))[..., 0]
    torch.testing.assert_close(found.value, (own_BL - mean_N[item_B][:, None]) * batch.valid_BL)
    assert not found.value.requires_grad


def test_where_acts_are_counted_there_is_no_mean_item_and_nothing_is_made_up() -> None:
    batch, item_B = three_rows(), torch.tensor([1, 1, 6])
    for model, makes in ((Rows(), True), (Rows(counts=True), False)):
        assert makes_vectors(Question(model, batch, item_B, Catalog(ITEMS))) is makes
        assert len(read(Question(model, batch, item_B, Catalog(ITEMS)), "integrated_from_mean", ("history",))) == makes
        tests = examine(model, (events(), Catalog(ITEMS)), cases(), "excluded", ("integrated_from_mean",), 1)
        assert tests is not None
        assert ("integrated_from_mean" in tests.found) is makes
        assert all(("mean_item" in measures) is makes for measures in tests.found.values())
    nobody = batch.but(item_BL=torch.zeros_like(batch.item_BL), length_B=torch.zeros_like(batch.length_B))
    assert not makes_vectors(Question(Rows(), nobody, item_B, Catalog(ITEMS)))
    assert log_probability(Rows(), nobody, item_B).isfinite().all()


def test_in_claims_it_stands_for_the_heaviest_acts_and_is_no_mean_of_falls() -> None:
    tests = examine(Rows(), (events(), Catalog(ITEMS)), cases(), "excluded", ("gradient",), 1)
    assert tests is not None
    one = tests.found["gradient"]
    # where rows add up the mean item gives what others give in the mean, with none of the chance of four draws
    assert one["mean_item"].mean() == pytest.approx(one["others_in_the_mean"].mean(), abs=0.1)
    assert abs(one["mean_item"] - one["others_in_the_mean"]).max() > 0.05
    assert one["mean_item"].mean() > tests.found["random"]["mean_item"].mean() + 0.3
