"""Influence through the contract: a model of which every derivative is known by hand, and what is asked of any."""

import pytest
import torch
from torch import Tensor, nn

from engine.evaluation.erasure import erase_events, select_rows
from engine.evaluation.influence import all_present, influence, presence
from engine.evaluation.question import Question, log_probability
from engine.training.batch import Batch
from engine.training.catalog import Catalog, Ragged
from engine.training.contract import CatalogScorer, Rater, Recommender
from engine.training.needs import Needs

ITEMS = 5
WORDS = [0, 3, 2, 0, 1, 2]  # of padding and each item


class Gains(CatalogScorer):
    """A score is the sum of what each event, and each word of its item, gives to an item; pictures give by half."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.gain_NN = nn.Parameter(torch.randn(ITEMS + 1, ITEMS + 1, generator=generator))
        self.word_WN = nn.Parameter(torch.randn(3, ITEMS + 1, generator=generator))

    @property
    def needs(self) -> Needs:
        return Needs(length=4, views=frozenset({"words", "image"}))

    def score_all(self, batch: Batch) -> Tensor:
        gain_BLN = self.gain_NN[batch.item_BL] * batch.valid_BL[..., None]
        word_BLW = (torch.arange(3) < torch.tensor(WORDS)[batch.item_BL][..., None]).float()
        if batch.part_presence and "words" in batch.part_presence:
            width = batch.part_presence["words"].shape[2]
            word_BLW = word_BLW[..., :width] * batch.part_presence["words"]
        word_BLN = word_BLW @ self.word_WN[: word_BLW.shape[2]]
        return batch.present(gain_BLN + word_BLN + batch.present(gain_BLN / 2, "image")).sum(1)

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        return self.score_all(batch).gather(1, item_BK)


class Slow(Recommender):
    """Scores only what it is asked for."""

    needs = Gains.needs

    def __init__(self) -> None:
        super().__init__()
        self.within = Gains()

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        return self.within.score(batch, item_BK)


class Rating(Slow, Rater):
    """What it scores is a rating."""

    needs = property(lambda self: Needs(length=4, predicts="rating"))

    def rate(self, batch: Batch, item_B: Tensor) -> Tensor:
        return self.score(batch, item_B[:, None])[:, 0]


class Memoryless(Gains):
    """No history is asked for."""

    needs = property(lambda self: Needs(views=frozenset({"words"})))


@pytest.fixture
def batch() -> Batch:
    item_BL = torch.tensor([[1, 2, 2], [3, 0, 0], [4, 5, 0]])
    length_B = torch.tensor([3, 1, 2])
    return Batch(torch.tensor([1, 2, 3]), item_BL, length_B, (item_BL > 0).cumsum(1) * (item_BL > 0))


@pytest.fixture
def catalog() -> Catalog:
    """Item 3 has no words and item 5 no picture."""
    words = Ragged(torch.randn(8, 2), torch.tensor([0, *WORDS]).cumsum(0))
    image = torch.tensor([[0.0], [1], [1], [1], [1], [0]])
    return Catalog(ITEMS, {"image": image}, {"words": words})


ASKED = torch.tensor([5, 4, 2])


def slopes(model: Gains, batch: Batch) -> Tensor:
    """d log p / d score_BN: 1 for the asked item less the probabilities."""
    share_BN = model.score_all(batch)[:, 1:].softmax(1)
    return nn.functional.pad(nn.functional.one_hot(ASKED - 1, ITEMS) - share_BN, (1, 0))


def test_every_derivative_is_as_by_hand(batch: Batch, catalog: Catalog) -> None:
    model = Gains()
    history, word, view = influence(Question(model, batch, ASKED, catalog))
    by_BN = slopes(model, batch).detach()
    gain_BL = torch.einsum("bn,bln->bl", by_BN, model.gain_NN.detach()[batch.item_BL]) * batch.valid_BL
    word_BW = by_BN @ model.word_WN.detach().T
    torch.testing.assert_close(history.value, 1.5 * gain_BL + (word_BW[:, None] * word.valid).sum(2))
    assert word.valid.sum(2).tolist() == [[3, 2, 2], [0, 0, 0], [1, 2, 0]]
    torch.testing.assert_close(word.value, word_BW[:, None] * word.valid)
    assert view.valid.tolist() == [
        [[True, True], [True, True], [True, True]],
        [[True, False], [False, False], [False, False]],
        [[True, True], [False, True], [False, False]],
    ]
    torch.testing.assert_close(view.value, torch.stack([gain_BL / 2, torch.zeros_like(gain_BL)], 2) * view.valid)
    for weights, about in ((history, None), (word, batch.item_BL), (view, batch.item_BL)):
        assert (weights.kind, weights.faithful) == ("signed", False)
        assert weights.about is about
        assert not weights.value[~weights.valid].any()


def test_a_rating_is_derived_itself(batch: Batch, catalog: Catalog) -> None:
    model = Rating()
    (history,) = influence(Question(model, batch, ASKED, catalog))
    gain_BL = model.within.gain_NN.detach()[batch.item_BL, ASKED[:, None]]
    said_BLW = (torch.arange(3) < torch.tensor(WORDS)[batch.item_BL][..., None]).float()
    word_BL = torch.einsum("blw,bw->bl", said_BLW, model.within.word_WN.detach()[:, ASKED].T)
    torch.testing.assert_close(history.value, 1.5 * gain_BL * batch.valid_BL + word_BL)


def test_a_model_without_a_catalog_is_compared_with_what_is_named(batch: Batch, catalog: Catalog) -> None:
    model = Slow()
    with pytest.raises(ValueError, match="Slow scores no whole catalog: say among which"):
        influence(Question(model, batch, ASKED, catalog))
    every_BK = torch.arange(ITEMS + 1).expand(3, -1)  # padding and the item itself count once
    named = influence(Question(model, batch, ASKED, catalog, every_BK))
    for found, expected in zip(named, influence(Question(model.within, batch, ASKED, catalog)), strict=True):
        torch.testing.assert_close(found.value, expected.value)
    few_BK = torch.tensor([[1, 2], [2, 3], [1, 0]])
    one_B = log_probability(model, batch, ASKED, few_BK).exp()
    others = [log_probability(model, batch, few_BK[:, k], torch.stack([ASKED, few_BK[:, 1 - k]], 1)) for k in (0, 1)]
    torch.testing.assert_close((one_B + others[0].exp() + others[1].exp())[:2], torch.ones(2))


def test_rows_have_nothing_to_do_with_each_other(batch: Batch, catalog: Catalog) -> None:
    whole = influence(Question(Gains(), batch, ASKED, catalog))
    for row in range(3):
        alone = influence(Question(Gains(), select_rows(batch, torch.tensor([row])), ASKED[row : row + 1], catalog))
        for one, every in zip(alone, whole, strict=True):
            width = one.value.shape[-1]  # of the longest item there is
            torch.testing.assert_close(one.value[0], every.value[row][..., :width])


def test_only_what_is_asked_for_is_derived(batch: Batch, catalog: Catalog) -> None:
    whole = {w.over: w for w in influence(Question(Gains(), batch, ASKED, catalog))}
    (word,) = influence(Question(Gains(), batch, ASKED, catalog), ("word",))
    torch.testing.assert_close(word.value, whole["word"].value)
    assert influence(Question(Gains(), batch, ASKED, catalog), ("region",)) == []
    assert influence(Question(Memoryless(), batch, ASKED, catalog)) == []


def test_it_leaves_no_gradient_behind_and_asks_under_no_grad_too(batch: Batch, catalog: Catalog) -> None:
    model = Gains()
    with torch.no_grad():
        found = influence(Question(model, batch, ASKED, catalog))
    assert all(not weights.value.requires_grad and weights.value.any() for weights in found)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_nobody_has_done_anything(catalog: Catalog) -> None:
    none_B0 = torch.zeros(2, 0, dtype=torch.long)
    empty = Batch(torch.tensor([1, 2]), none_B0, torch.tensor([0, 0]), none_B0)
    found = influence(Question(Gains(), empty, ASKED[:2], catalog))
    assert [(w.over, w.value.numel()) for w in found] == [("history", 0), ("view", 0)]


def test_presences_go_with_their_events(batch: Batch, catalog: Catalog) -> None:
    given = presence(all_present(Question(Gains(), batch, ASKED, catalog)))
    torch.manual_seed(2)
    parts = {view: torch.rand_like(value) for view, value in (given.part_presence or {}).items()}
    dimmed = batch.but(presence_BL=torch.rand(3, 3), part_presence=parts)
    gone_BL = torch.tensor([[True, False, False], [False, False, False], [False, True, False]])
    left = erase_events(dimmed, gone_BL)
    assert left.presence_BL is not None
    assert dimmed.presence_BL is not None
    assert left.presence_BL[0, :2].equal(dimmed.presence_BL[0, 1:])
    assert left.part_presence is not None
    assert left.part_presence["words"][0, :2].equal(parts["words"][0, 1:])
    some = select_rows(dimmed, torch.tensor([2, 2]))
    assert some.part_presence is not None
    assert some.part_presence["image"].equal(parts["image"][[2, 2]])
    model = Gains()
    shut = dimmed.but(presence_BL=torch.where(gone_BL, 0.0, dimmed.presence_BL))
    torch.testing.assert_close(model.score_all(left), model.score_all(shut))


def test_what_is_dimmed_already_speaks_so_much_less(batch: Batch, catalog: Catalog) -> None:
    model = Gains()
    quiet_BLW = torch.ones(3, 3, 3)
    quiet_BLW[0, 0] = 0.0
    dimmed = batch.but(part_presence={"words": quiet_BLW})
    found = {one.over: one for one in influence(Question(model, dimmed, ASKED, catalog))}
    value_BLW, valid_BLW = found["word"].value, found["word"].valid
    assert valid_BLW[0, 0].all()
    assert (value_BLW[0, 0] == 0).all()
    assert (value_BLW[0, 1:][valid_BLW[0, 1:]] != 0).all()
    by_BN = torch.nn.functional.one_hot(ASKED, ITEMS + 1).float()
    share_BN = nn.functional.pad(model.score_all(dimmed)[:, 1:].softmax(1), (1, 0)).detach()
    word_BW = (by_BN - share_BN) @ model.word_WN.detach().T
    torch.testing.assert_close(value_BLW, word_BW[:, None] * valid_BLW * quiet_BLW)
