"""Views, topics, categories of the asked item: what they add is the mean item's, and whether their sum is the score."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.evaluation.claims import RankingTests
from engine.evaluation.history_erasure import best_items
from engine.evaluation.item_erasure import examine_item
from engine.evaluation.parts_of_score import Addend
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import CatalogScorer, Explainer, Weights
from engine.training.needs import Needs
from stages.explain.claims import section
from tests.engine.evaluation.test_history_erasure import ITEMS, cases, events

USERS, PARTS = 40, 4


class Sum(CatalogScorer, Explainer):
    """A score is the sum of four parts; odd items lack the last. `sign` -1: it says the contrary."""

    needs = Needs()

    def __init__(self, over: Addend = "topic", sign: float = 1.0) -> None:
        super().__init__()
        self.over, self.sign = over, sign
        generator = torch.Generator().manual_seed(11)
        self.user_UP = nn.Parameter(torch.randn(USERS + 1, PARTS, generator=generator))
        self.item_NP = nn.Parameter(torch.rand(ITEMS + 1, PARTS, generator=generator))

    def there(self, item: Tensor) -> Tensor:
        last = torch.arange(PARTS) == PARTS - 1
        return ~(last & (item[..., None] % 2 == 1))

    def parts(self, user_B: Tensor, item_B: Tensor) -> Tensor:
        return self.user_UP[user_B] * self.item_NP[item_B] * self.there(item_B)

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        return self.score_all(batch).gather(1, item_BK)

    def score_all(self, batch: Batch) -> Tensor:
        return self.user_UP[batch.user_B] @ (self.item_NP * self.there(torch.arange(ITEMS + 1))).T

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        value_BP = self.sign * self.parts(batch.user_B, item_B).detach()
        return [Weights(value_BP, self.over, "signed", True, self.there(item_B), item_B)]


class Gossip(Sum):
    """It says what the parts would add for somebody else."""

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        return super().explain(batch.but(user_B=batch.user_B % USERS + 1), item_B)


def examined(model: Sum) -> RankingTests:
    found = examine_item(model, (events(), Catalog(ITEMS)), cases(), "excluded", model.over, 1)
    assert found is not None
    return found


@pytest.mark.parametrize("over", ["view", "topic", "category"])
def test_what_the_heaviest_parts_add_over_the_mean_item_is_lost_as_by_hand(over: Addend) -> None:
    model, asked = Sum(over), cases()
    found = examined(model).found
    assert set(found) == {"own_signed", "leave_one_out", "random"}
    mean = {name: {m: v.mean() for m, v in measures.items()} for name, measures in found.items()}
    for good in ("own_signed", "leave_one_out"):
        assert mean[good]["comprehensiveness"] > mean["random"]["comprehensiveness"] + 0.1
        assert mean[good]["rank"] > mean["random"]["rank"]
        assert mean[good]["deciding"] < mean["random"]["deciding"]
    assert mean["leave_one_out"]["heaviest_one"] >= mean["own_signed"]["heaviest_one"]
    assert mean["own_signed"]["untold"] == pytest.approx(0, abs=1e-5)
    item_B = best_items(model, events(), asked, 1, "excluded")[0][:, 0]
    every = torch.arange(1, ITEMS + 1)
    for row in range(5):
        user = asked.user_C[row]
        part_NP, there_NP = model.parts(user.expand(ITEMS), every).detach().double(), model.there(every)
        own_P, at = part_NP[item_B[row] - 1], int(item_B[row]) - 1
        mean_P = part_NP.sum(0) / there_NP.sum(0)
        if over == "category":
            mean_P = (part_NP.sum() / there_NP.sum()).expand(PARTS)
        place = int(own_P.masked_fill(~there_NP[at], -torch.inf).argmax())
        fall = (own_P[place] - mean_P[place]) * (1 - 1 / ITEMS) / part_NP.sum(1).std()
        assert found["own_signed"]["heaviest_one"][row] == pytest.approx(float(fall), abs=1e-4)


def test_parts_whose_sum_is_not_how_scores_differ_are_told_to_say_nothing() -> None:
    honest, gossip = (section(examined(model), 1)["own_signed"] for model in (Sum(), Gossip()))
    assert (honest["says_nothing"], gossip["says_nothing"]) == (0, 1)
    assert gossip["untold"] > 1
    assert gossip["comprehensiveness"] > 0.1, "by itself what it says looks well"
    assert gossip["p_random"] < 0.05
    contrary = examined(Sum(sign=-1.0)).found["own_signed"]["untold"]
    np.testing.assert_allclose(contrary, 2, atol=1e-4)


def test_what_stays_under_redrawn_parameters_is_seen() -> None:
    def redrawn(model: Sum) -> float:
        return float(np.nanmean(examined(model).found["own_signed"]["redrawn"]))

    learnt = Sum()
    with torch.no_grad():
        learnt.item_NP.mul_(torch.tensor([1.0, 5.0, 25.0, 125.0]))  # one order of parts, learnt
        learnt.user_UP.abs_()
    assert redrawn(learnt) < 0.7
    given = Sum()
    for name in ("user_UP", "item_NP"):
        value = getattr(given, name).detach()
        delattr(given, name)
        given.register_buffer(name, value)  # no parameters to deal out
    assert redrawn(given) == pytest.approx(1)


def test_weights_that_are_not_in_the_score_or_not_told_are_not_asked() -> None:
    class Beside(Sum):
        def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
            (one,) = super().explain(batch, item_B)
            return [Weights(one.value, one.over, "signed", False, one.valid, one.about)]

    world = (events(), Catalog(ITEMS))
    assert examine_item(Beside(), world, cases(), "excluded", "topic", 1) is None
    assert examine_item(Sum("view"), world, cases(), "excluded", "topic", 1) is None
