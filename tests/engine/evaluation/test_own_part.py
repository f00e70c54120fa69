"""Of an item's own parts the one is named without which its score falls furthest, if it has a name."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from engine.evaluation.cause import Causes, causes
from engine.evaluation.nameable import Nameable
from engine.evaluation.own_part import PartCauses
from engine.evaluation.question import Question
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.categories import Categories
from engine.training.contract import Recommender, Weights
from engine.training.needs import Needs

PICTURES = torch.tensor([[0.0], [1.0], [0.0], [2.0]])  # item 2 has none
TEXTS = torch.tensor([[0.0], [1.0], [1.0], [1.0]])
PATHS = [["root", "noir"], ["root", "war"], ["root", "war"]]
TREE = Categories.of(torch.arange(1, 4).numpy(), PATHS, 3)  # noir 1, root 2, war 3


class Told(Recommender):
    """Every score is 5; without part p it is less by falls[p]."""

    def __init__(self, over: str, falls: list[float], read: bool = True, part: list[int] | None = None) -> None:
        super().__init__()
        self.over, self.falls, self.read, self.part = over, torch.tensor(falls), read, part

    @property
    def needs(self) -> Needs:
        return Needs(views=frozenset({"image", "text"}))

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        return torch.full(item_BK.shape, 5.0)

    def scores_without(self, batch: Batch, item_B: Tensor) -> Weights:
        score_BP = 5.0 - self.falls.expand(len(item_B), -1)
        part = None if self.part is None else torch.tensor(self.part).expand(score_BP.shape)
        return Weights(score_BP, self.over, "signed", self.read, score_BP < 9, item_B, part)  # type: ignore[arg-type]


def told(model: Recommender, names: Nameable | None = None) -> Causes:
    """Of items 1, 2 and 3."""
    none_BL = torch.zeros(3, 0, dtype=torch.long)
    batch = Batch(torch.ones(3).long(), none_BL, none_BL, torch.zeros(3).long())
    catalog = Catalog(3, {"image": PICTURES, "text": TEXTS}, categories=TREE)
    return causes(Question(model, batch, torch.tensor([1, 2, 3]), catalog), names or Nameable(topics=True))


def part(model: Recommender, names: Nameable | None = None) -> PartCauses:
    found = told(model, names).item
    assert found is not None
    assert found.part is not None
    return found.part


def test_the_part_without_which_the_score_falls_furthest_is_named() -> None:
    assert part(Told("topic", [1.0, 3.0, 2.0])).number_B.tolist() == [2, 2, 2]
    assert part(Told("topic", [1.0, 3.0], part=[7, 4])).number_B.tolist() == [4, 4, 4]
    assert part(Told("item_history", [0.5])).number_B.tolist() == [1, 1, 1]


@pytest.mark.parametrize("falls", [[0.0, 0.0], [-1.0, -2.0], []])
def test_where_the_score_falls_without_none_nothing_is_named(falls: list[float]) -> None:
    assert part(Told("topic", falls)).number_B.tolist() == [0, 0, 0]


def test_a_view_that_an_item_lacks_is_not_named() -> None:
    found = part(Told("view", [3.0, 1.0], read=False))
    assert found.number_B.tolist() == [1, 2, 1]
    assert not found.read


def test_topics_without_words_and_categories_of_most_items_are_not_named() -> None:
    assert part(Told("topic", [1.0]), Nameable()).number_B.tolist() == [0, 0, 0]
    found = part(Told("category", [1.0, 2.0, 3.0], part=[1, 2, 3]))
    assert found.number_B.tolist() == [1, 1, 1], "root has all, war two of three"
    assert found.categories == ("noir", "root", "war")


def test_what_is_not_valid_is_not_named() -> None:
    class Padded(Told):
        def scores_without(self, batch: Batch, item_B: Tensor) -> Weights:
            found = super().scores_without(batch, item_B)
            return replace(found, valid=torch.tensor([True, False]).expand_as(found.value))

    assert part(Padded("topic", [1.0, 2.0])).number_B.tolist() == [1, 1, 1]
