"""Rows of one history are read once, and each gets its own slopes."""

import torch
from torch import Tensor, nn

from engine.evaluation.alike import Alike, turns
from engine.evaluation.question import Question
from engine.evaluation.readings import LEADING, STEPS, read
from engine.training.audience import Audience
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import CatalogScorer
from engine.training.needs import Needs

ITEMS = 5


class Counting(CatalogScorer):
    """Scores that are products of what a history gives, and how many rows it was asked about."""

    needs = Needs(length=3)

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.way_NN = nn.Parameter(torch.randn(ITEMS + 1, ITEMS + 1))
        self.rows: list[int] = []

    def score_all(self, batch: Batch) -> Tensor:
        self.rows.append(len(batch.item_BL))
        return batch.present(self.way_NN[batch.item_BL] * batch.valid_BL[..., None]).sum(1).tanh()

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        return self.score_all(batch).gather(1, item_BK)


def asked() -> tuple[Batch, Tensor]:
    item_BL = torch.tensor([[1, 2, 3], [4, 0, 0]])
    return Batch(torch.tensor([1, 2]), item_BL, torch.tensor([3, 1]), item_BL), torch.tensor([[4, 5, 1], [2, 0, 3]])


def test_a_history_is_read_once_for_all_of_its_items() -> None:
    model, (batch, item_BK) = Counting(), asked()
    together = Question.of_each(model, batch, item_BK, Catalog(ITEMS))
    read(together, "gradient")
    read(together, LEADING)
    assert model.rows == [2, 2 * STEPS]
    model.rows.clear()
    for k in range(3):
        read(Question(model, batch, item_BK[:, k].clamp(min=1), Catalog(ITEMS)), LEADING)
    assert model.rows == [2 * STEPS] * 3


def test_no_set_of_rows_holds_a_history_twice_and_each_row_is_in_one() -> None:
    same_B = torch.tensor([2, 0, 2, 2, 1, 0])
    item_BL = torch.ones(6, 3, dtype=torch.long)
    alike = Alike.of(Counting(), Batch(same_B, item_BL, torch.full((6,), 3), item_BL), same_B)
    assert alike.first_U.tolist() == [1, 4, 0]
    sets = [row_R.tolist() for row_R in turns(alike.place_B)]
    assert [sorted(same_B[turn].tolist()) for turn in sets] == [[0, 1, 2], [0, 2], [2]]
    assert sorted(row for turn in sets for row in turn) == list(range(6))


def test_rows_are_apart_where_what_is_read_hangs_on_the_item() -> None:
    batch, same_B = asked()[0], torch.zeros(2, dtype=torch.long)
    assert not Alike.of(Counting(), batch, same_B).each
    others = Audience.of(*[torch.zeros(1, dtype=torch.long)] * 3, None)
    assert Alike.of(Counting(), batch.but(audience=others), same_B).each
