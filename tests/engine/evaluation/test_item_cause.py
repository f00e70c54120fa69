"""What of an item itself is named: only that without which its score falls."""

import pytest
import torch
from torch import Tensor, nn

from engine.evaluation.cause import causes
from engine.evaluation.item_cause import ItemCauses, item_causes
from engine.evaluation.nameable import Nameable
from engine.evaluation.question import Question
from engine.training.batch import Batch
from engine.training.catalog import Catalog, Ragged
from engine.training.contract import CatalogScorer
from engine.training.needs import Needs

WORDS = torch.tensor([[4.0], [1.0], [2.0], [2.0], [-3.0], [0.0]])  # of items 1 and 2; the mean word is 1
OFFSET = torch.tensor([0, 0, 4, 6])
TERMS = torch.tensor([1, 2, 3, 3, 4, 5])  # the third and the fourth are one word, in two places
REGIONS = torch.tensor([[1.0], [6.0], [0.0], [5.0]])  # the mean region is 3
REGION_OFFSET = torch.tensor([0, 0, 2, 4])


class Sum(CatalogScorer):
    """A score is the sum of the item's words and regions, each as much as `weights` says."""

    needs = Needs(views=frozenset(["words", "regions"]))

    def __init__(self, words: float = 1.0, regions: float = 0.0, jealous: bool = False) -> None:
        super().__init__()
        self.words, self.regions, self.jealous = (
            Ragged(WORDS.clone(), OFFSET),
            Ragged(REGIONS.clone(), REGION_OFFSET),
            jealous,
        )
        self.weights = nn.Parameter(torch.tensor([words, regions]))

    def score_all(self, batch: Batch) -> Tensor:
        item_N = torch.arange(3)
        parts = [table.rows(item_N) for table in (self.words, self.regions)]
        sum_N2 = torch.stack([(value * valid[..., None]).sum((1, 2)) for value, valid in parts], 1)
        sum_N2 = sum_N2 * self.weights
        if self.jealous:  # without two of its words it is liked all the more
            value_NPD, valid_NP = parts[0]
            sum_N2[:, 0] += 99.0 * ((value_NPD[..., 0] == 1) & valid_NP).sum(1).ge(4)
        return sum_N2.sum(1).expand(len(batch.user_B), -1)

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        return self.score_all(batch).gather(1, item_BK)


def nobodys(user_B: Tensor) -> Batch:
    """People without a history."""
    none_BL = torch.zeros(len(user_B), 0, dtype=torch.long)
    return Batch(user_B, none_BL, none_BL, torch.zeros(len(user_B), dtype=torch.long))


def of(model: Sum, names: Nameable) -> ItemCauses:
    catalog = Catalog(2, ragged={"words": model.words, "regions": model.regions})
    batch = nobodys(torch.tensor([1, 2, 1]))
    return item_causes(Question(model, batch, torch.tensor([1, 2, 1]), catalog), names)


def test_the_words_whose_absence_takes_most_are_named_by_all_their_places() -> None:
    found = of(Sum(), Nameable(TERMS, regions=True))
    assert found.term_BW.tolist() == [[1, 3], [0, 0], [1, 3]], (
        "4 - 1, then 2 * (2 - 1); of item 2 none is above the mean"
    )
    assert found.region_B.tolist() == [-1, -1, -1]


def test_words_that_raise_the_score_by_going_together_are_not_named() -> None:
    assert of(Sum(jealous=True), Nameable(TERMS)).term_BW.tolist() == [[0, 0]] * 3


def test_a_region_that_takes_more_than_the_words_is_named_in_their_place() -> None:
    less, more = (of(Sum(regions=weight), Nameable(TERMS, regions=True)) for weight in (1.0, 100.0))
    assert less.term_BW.tolist()[0] == [1, 3]
    assert less.region_B.tolist() == [-1, 1, -1], "6 - 3 is less than 3 + 2, and more than nothing"
    assert more.region_B.tolist() == [1, 1, 1]
    assert more.term_BW.tolist() == [[0, 0]] * 3


def test_what_has_no_name_or_does_nothing_is_not_named() -> None:
    for names, model in ((Nameable(), Sum(1.0, 1.0)), (Nameable(TERMS, regions=True), Sum(0.0, 0.0))):
        found = of(model, names)
        assert (int(found.term_BW.sum()), found.region_B.tolist()) == (0, [-1] * 3)


def test_only_a_model_without_a_history_is_asked_so(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Sum()
    catalog = Catalog(2, ragged={"words": model.words, "regions": model.regions})
    batch = nobodys(torch.tensor([1]))
    asked = Question(model, batch, torch.tensor([1]), catalog)
    told = causes(asked, Nameable(TERMS)).item
    assert told is not None
    assert told.term_BW.tolist() == [[1, 3]]
    monkeypatch.setattr(Sum, "needs", Needs(length=3, views=Sum.needs.views))
    assert causes(asked, Nameable(TERMS)).item is None


def test_an_item_without_words_or_regions_has_nothing_to_name() -> None:
    model = Sum(1.0, 1.0)
    model.words, model.regions = (
        Ragged(table.value_XD, torch.tensor([0, 0, 0, end])) for table, end in ((model.words, 6), (model.regions, 4))
    )
    catalog = Catalog(2, ragged={"words": model.words, "regions": model.regions})
    asked = Question(model, nobodys(torch.tensor([1, 2])), torch.tensor([1, 1]), catalog)
    found = item_causes(asked, Nameable(TERMS, regions=True))
    assert (int(found.term_BW.sum()), found.region_B.tolist()) == (0, [-1, -1])


def test_a_score_that_is_never_the_same_twice_names_no_part_that_is_not_there() -> None:
    """Scores of other batches differ in their last digits; where every region speaks against, padding is no region."""

    class Restless(Sum):
        asked = 0

        def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
            self.asked += 1
            return super().score(batch, item_BK) - 1e-6 * self.asked

    model = Restless(0.0, -1.0)
    model.regions = Ragged(torch.tensor([[9.0], [0.0], [0.0]]), torch.tensor([0, 0, 1, 3]))
    catalog = Catalog(2, ragged={"words": model.words, "regions": model.regions})
    asked = Question(model, nobodys(torch.tensor([1, 2])), torch.tensor([1, 2]), catalog)
    assert item_causes(asked, Nameable(regions=True)).region_B.tolist()[0] == -1
    assert model.asked > 2
