"""Rankings of views inside the acts, and of topics, of models in which each gives to each item what is known."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.evaluation.claims import RankingTests
from engine.evaluation.history_erasure import best_items
from engine.evaluation.part_erasure import examine_parts
from engine.evaluation.parts_of_acts import Part
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import CatalogScorer, Explainer, Weights
from engine.training.interactions import Interactions
from engine.training.needs import Needs
from tests.engine.evaluation.test_history_erasure import ITEMS, LENGTH, cases, events

TOPICS = 6
GENERATOR = torch.Generator().manual_seed(8)
VIEWS_2NN = torch.rand(2, ITEMS + 1, ITEMS + 1, generator=GENERATOR)
FOLLOWED_NT = torch.rand(ITEMS + 1, TOPICS, generator=GENERATOR)


class Scorer(CatalogScorer, Explainer):
    """`sign` -1: it says the contrary of what it knows."""

    needs: Needs  # type: ignore[assignment]

    def __init__(self, sign: float = 1.0) -> None:
        super().__init__()
        self.sign = sign

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        return self.score_all(batch).gather(1, item_BK)


class Seer(Scorer):
    """A score is the sum of what the pictures and the texts of the acts give to an item, each act's as it is liked."""

    needs = Needs(length=LENGTH, views=frozenset(["image", "text"]))

    def __init__(self, sign: float = 1.0) -> None:
        super().__init__(sign)
        self.like_N2 = nn.Parameter(torch.rand(ITEMS + 1, 2, generator=torch.Generator().manual_seed(9)))

    def given(self, batch: Batch) -> Tensor:
        """What each act's picture and text give to each item."""
        liked_BLN2 = VIEWS_2NN[:, batch.item_BL].permute(1, 2, 3, 0) * self.like_N2[batch.item_BL][:, :, None]
        return liked_BLN2 * batch.valid_BL[..., None, None]

    def score_all(self, batch: Batch) -> Tensor:
        given_BLN2 = self.given(batch)
        image_BLN, text_BLN = given_BLN2.unbind(-1)
        return (batch.present(image_BLN, "image") + batch.present(text_BLN, "text")).sum(1)

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        at_BL12 = item_B[:, None, None, None].expand(*batch.item_BL.shape, 1, 2)
        value_BL2 = self.given(batch).gather(2, at_BL12)[:, :, 0].detach() * self.sign
        valid_BL2 = batch.valid_BL[..., None].expand(value_BL2.shape)
        return [Weights(value_BL2, "view", "signed", True, valid_BL2, batch.item_BL)]


class Follower(Scorer):
    """A score is what the topics followed, as the last act left them, give to an item."""

    needs = Needs(length=LENGTH, topics=True)

    def __init__(self, sign: float = 1.0) -> None:
        super().__init__(sign)
        self.gain_TN = nn.Parameter(torch.rand(TOPICS, ITEMS + 1, generator=torch.Generator().manual_seed(10)))

    def followed(self, batch: Batch) -> Tensor:
        assert batch.topic_BLT is not None
        topic_BLT = batch.topic_BLT
        if batch.part_presence:
            topic_BLT = topic_BLT * batch.part_presence["topics"]
        return batch.last(topic_BLT)

    def score_all(self, batch: Batch) -> Tensor:
        return self.followed(batch) @ self.gain_TN

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        value_BT = (self.followed(batch) * self.gain_TN.T[item_B]).detach() * self.sign
        return [Weights(value_BT, "topic", "signed", True, torch.ones_like(value_BT, dtype=torch.bool))]


class Followed(Interactions):
    """Histories with topics: those of the last act's item."""

    def before(self, user_B: Tensor, position_B: Tensor, needs: Needs) -> Batch:
        batch = super().before(user_B, position_B, Needs(length=needs.length))
        topic_BLT = FOLLOWED_NT[batch.item_BL] * batch.valid_BL[..., None]
        return batch.but(topic_BLT=topic_BLT / topic_BLT.sum(2, keepdim=True).clamp(min=1e-9))


def examined(model: Scorer, over: Part, seed: int = 1) -> RankingTests:
    ones = {view: torch.ones(ITEMS + 1, 1) for view in ("image", "text")}
    world = (Followed(**vars(events())), Catalog(ITEMS, ones, topics=TOPICS))
    readings = ("gradient", "integrated", "leave_one_out")
    found = examine_parts(model, world, cases(), "excluded", readings, over, seed)
    assert found is not None
    return found


@pytest.mark.parametrize(("model", "over"), [(Seer, "view"), (Follower, "topic")])
def test_silencing_the_heaviest_costs_most_and_lies_are_found_out(model: type[Scorer], over: Part) -> None:
    honest, liar = examined(model(), over).found, examined(model(-1.0), over).found
    of_topics = ["leave_one_out"] if over == "topic" else []
    assert list(honest) == ["own_signed", "gradient", "integrated", *of_topics, "random"]
    mean = {name: {m: np.nanmean(v) for m, v in measures.items()} for name, measures in honest.items()}
    for good in set(honest) - {"random"}:
        for higher in ("comprehensiveness", "heaviest_one", "rank", "nearby", "necessity"):
            assert mean[good][higher] > mean["random"][higher], (good, higher)
        for lower in ("sufficiency", "deciding", "lightest_one"):
            assert mean[good][lower] < mean["random"][lower], (good, lower)
    assert liar["own_signed"]["comprehensiveness"].mean() < liar["random"]["comprehensiveness"].mean() - 0.1
    assert ("renormalised" in honest["random"]) == (over == "topic")


def test_one_view_of_each_act_is_silenced_as_by_hand() -> None:
    model, asked = Seer(), cases()
    found = examined(model, "view").found["own_signed"]
    batch = events().before(asked.user_C, asked.position_C, model.needs)
    item_B = best_items(model, events(), asked, 1, "excluded")[0][:, 0]
    given_BLN2 = model.given(batch).detach().double()
    for row in range(3):
        own_L2 = given_BLN2[row, :, item_B[row]]
        heavier_L = own_L2.argmax(1)
        score_N = given_BLN2[row].sum((0, 2))[1:]
        less_N = score_N - given_BLN2[row][torch.arange(LENGTH), :, heavier_L].sum(0)[1:]
        at = int(item_B[row]) - 1
        fall = (score_N[at] - score_N.mean() - less_N[at] + less_N.mean()) / score_N.std()
        assert found["heaviest_one"][row] == pytest.approx(float(fall), abs=1e-4)
        assert found["gone_10"][row] == found["heaviest_one"][row]
        low, high = own_L2.sort(1).values.unbind(1)
        assert found["gini"][row] == pytest.approx(float(((high - low) / (2 * (high + low))).mean()), abs=1e-5)


def test_the_others_share_what_the_heaviest_topic_had() -> None:
    model, asked = Follower(), cases()
    found = examined(model, "topic").found["own_signed"]
    item_B = best_items(model, Followed(**vars(events())), asked, 1, "excluded")[0][:, 0]
    topic_BT = model.followed(Followed(**vars(events())).before(asked.user_C, asked.position_C, model.needs)).double()
    gain_TN = model.gain_TN.detach().double()
    for row in range(3):
        own_T = topic_BT[row] * gain_TN[:, item_B[row]]
        left_T = topic_BT[row].clone()
        left_T[own_T.argmax()] = 0
        at, score_N = int(item_B[row]) - 1, (topic_BT[row] @ gain_TN)[1:]
        for name, changed_T in (("heaviest_one", left_T), ("renormalised", left_T / left_T.sum())):
            less_N = (changed_T @ gain_TN)[1:]
            fall = (score_N[at] - score_N.mean() - less_N[at] + less_N.mean()) / score_N.std()
            assert found[name][row] == pytest.approx(float(fall), abs=1e-4)


def test_an_order_of_two_views_that_parameters_do_not_make_stays_and_another_does_not() -> None:
    even = Seer()
    nn.init.ones_(even.like_N2)  # dealt out anew they are as they were
    assert np.nanmean(examined(even, "view").found["own_signed"]["redrawn"]) == pytest.approx(1)
    learnt = Seer()
    with torch.no_grad():
        learnt.like_N2[:, 0] *= 0.01  # texts are all it goes by; dealt out anew pictures are as often
    dealt_C = examined(learnt, "view").found["own_signed"]["redrawn"]
    assert np.nanmean(dealt_C) < 0.5
    assert (np.abs(dealt_C * LENGTH - (dealt_C * LENGTH).round()) > 1e-6).any(), "one deal is by whole acts"
    assert np.nanmean(examined(Seer(), "view").found["own_signed"]["nearby"]) == pytest.approx(1), "acts add up"


def test_a_model_that_reads_one_view_or_no_topics_leaves_nothing_to_choose() -> None:
    class Reader(Seer):
        needs = Needs(length=LENGTH, views=frozenset(["text"]))

    world = (events(), Catalog(ITEMS, {"text": torch.ones(ITEMS + 1, 1)}))
    for over in ("view", "topic"):
        assert examine_parts(Reader(), world, cases(), "excluded", ("gradient",), over, 1) is None  # type: ignore[arg-type]
