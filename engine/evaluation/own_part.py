"""What part of an item speaks most for it, checked, where a model tells its parts apart and reads no history.

The parts are what a model's vector of an item is made of: views, topics, categories; or how many acted on it.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.evaluation.influence import WHOLE
from engine.evaluation.nameable import Nameable
from engine.evaluation.question import Question
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import Weights
from engine.training.needs import View

WIDEST = 0.5  # a category of more items than this share says little of any, as where acts are named by theirs


@runtime_checkable
class InParts(Protocol):
    """A model that can score an item without a part of it."""

    def scores_without(self, batch: Batch, item_B: Tensor) -> Weights:
        """The scores of one item a row, each with something else in the place of one part, which the model says: mostly
        the mean item's. Valid where the item has the part; not faithful: the score reads what was learnt of the part.
        """
        ...


@dataclass(frozen=True)
class PartCauses:
    """`over`: what the parts are, as of `Weights`; over "item_history": how many acted on the item. number_B: of each
    row's item the part without which its score falls furthest, from 1, 0 none. read: the score reads the part itself.
    categories: by number, from 1.
    """

    over: str
    number_B: Tensor
    read: bool
    categories: tuple[str, ...] = ()


@torch.no_grad()
def part_causes(asked: Question, model: InParts, names: Nameable) -> PartCauses:
    """Each part that has a name was scored without."""
    found = model.scores_without(asked.batch, asked.item_B)
    step_P = torch.arange(1, found.value.shape[1] + 1, device=found.value.device)
    number_BP = (step_P if found.part is None else found.part) * found.valid
    number_BP = number_BP * _named(found.over, number_BP, asked, names)
    whole_B1 = asked.model.score(asked.batch, asked.item_B[:, None])
    fall_BP = F.pad((whole_B1 - found.value) * (number_BP > 0), (0, 1))
    most_B, place_B = fall_BP.max(1)
    number_B = F.pad(number_BP, (0, 1)).gather(1, place_B[:, None])[:, 0] * (most_B > 0)
    categories = asked.catalog.categories.names if found.over == "category" else ()
    return PartCauses(found.over, number_B, found.faithful, categories)


def _named(over: str, number_BP: Tensor, asked: Question, names: Nameable) -> Tensor:
    """Which parts can be named: views that the item has, topics with words, categories of not too many items."""
    if over == "view":
        sources = [next((v for v in views if v in asked.model.needs.views), None) for views in WHOLE]
        none_B = torch.zeros_like(asked.item_B, dtype=torch.bool)
        seen = [none_B if view is None else _there(asked.catalog, view)[asked.item_B] for view in sources]
        return torch.stack([none_B, *seen], 1).gather(1, number_BP)
    if over == "topic":
        return torch.full_like(number_BP, names.topics, dtype=torch.bool)
    return _telling(asked.catalog)[number_BP] if over == "category" else number_BP > 0


@lru_cache(maxsize=2)
def _there(catalog: Catalog, view: View) -> Tensor:
    return catalog.present(view)


@lru_cache(maxsize=1)
def _telling(catalog: Catalog) -> Tensor:
    """Which categories are those of some items but not of most, by number; the first number is padding's."""
    tree, every_N = catalog.categories, torch.arange(catalog.items + 1)
    _, category_P = tree.once(every_N.to(tree.path_ZD.device))
    count_C = torch.bincount(category_P, minlength=len(tree.names) + 1)
    return (count_C > 0) & (count_C <= catalog.items * WIDEST)
