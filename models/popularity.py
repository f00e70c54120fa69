"""Popularity: how often an item was chosen in training, the same for everyone.

**Departs from the paper:** there is none; it is the row that every table shows beside the models.
"""

from typing import final

import torch
from torch import Tensor

from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import Factored, Solver, Weights
from engine.training.interactions import Interactions
from engine.training.needs import Needs, Settings


class Config(Settings):
    """Nothing can be set."""


def build(config: Config, catalog: Catalog, users: int) -> "Popularity":
    """The model, not yet solved."""
    return Popularity(catalog.items)


@final
class Popularity(Solver, Factored):
    """score = the number of training events of the item."""

    count_N: Tensor

    def __init__(self, items: int):
        super().__init__()
        self.register_buffer("count_N", torch.zeros(items + 1))

    @property
    def needs(self) -> Needs:
        return Needs()

    def solve(self, train: Interactions) -> None:
        self.count_N.copy_(torch.bincount(train.item_E, minlength=len(self.count_N)))

    def query(self, batch: Batch) -> Tensor:
        return self.count_N.new_ones(len(batch.user_B), 1)

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        return (self.count_N if item_U is None else self.count_N[item_U])[:, None]

    def scores_without(self, batch: Batch, item_B: Tensor) -> Weights:
        """With as many events as the mean item; of those that have more."""
        count_B1, mean = self.count_N[item_B][:, None], self.count_N[1:].mean()
        valid_B1 = count_B1 > mean
        return Weights(mean.expand_as(count_B1), "item_history", "signed", True, valid_B1, item_B)
