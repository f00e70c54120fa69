"""ItemKNN: an item is recommended by how alike it is to what somebody had (Sarwar et al., WWW 2001; Deshpande and
Karypis, TOIS 2004).

s_ij = c_ij / (sqrt(c_i c_j) + shrink), c_i people who chose i and c_ij who chose both; of each item j the `neighbours`
items i that are most alike are kept, and the score of j is the sum of s_ij over those of them that somebody had.

**Departs from the paper:** the cosine is of who chose, not of ratings; `shrink` pulls down what few people say (0: the
plain cosine). The sum is not divided by the sum of all |s_ij| of j, as it is for ratings: that would rank by how much
alike j is, not by how much there is of it. Of a history the last `length` events are read, each item once (1: the last
item alone); one of presence 0 is as if it had never been. Of equally alike items on the border of the neighbours any
may be kept. All three settings may be lists: validation chooses.
"""

from typing import Annotated, final

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.choices import combinations
from engine.training.contract import CatalogScorer, Explainer, Tuned, Weights
from engine.training.interactions import Interactions
from engine.training.needs import Needs, Settings
from models.blocks import past
from models.blocks.chosen import Chosen
from models.blocks.pairs import Pairs
from models.blocks.shared_settings import Counts

Shrink = Annotated[float, Field(ge=0)]
ROWS = 1024  # items whose likeness to all is held at a time


class Config(Settings):
    """How items are alike, and how much of a history is read."""

    shrink: Shrink | Annotated[tuple[Shrink, ...], Field(min_length=1)] = Field(
        (0, 10, 50), description="added to the cosine's denominator; or a list to choose from"
    )
    neighbours: Counts = Field((50, 200), description="items kept as alike to each; or a list to choose from")
    length: Counts = Field(
        (1, 3, 10, 10_000),
        description="events of history that are read, the last (1: the last item alone); or a list to choose from",
    )

    @property
    def choices(self) -> list[dict[str, float]]:
        """With one kind of likeness after the other, so that each is counted once."""
        return combinations(shrink=self.shrink, neighbours=self.neighbours, length=self.length)

    @property
    def needs(self) -> Needs:
        """As much history as any choice reads; what is learnt from is a set."""
        return Needs(length=int(max(choice["length"] for choice in self.choices)), ahead=0)


def build(config: Config, catalog: Catalog, users: int) -> "ItemKNN":
    """The model, not yet solved."""
    return ItemKNN(config, catalog.items)


@final
class ItemKNN(Chosen, Tuned, CatalogScorer, Explainer):
    """Item i speaks for the items target_X[offset_N[i] : offset_N[i + 1]], which rise, by value_X."""

    target_X: Tensor
    value_X: Tensor
    offset_N: Tensor

    def __init__(self, config: Config, items: int):
        super().__init__()
        self.config = config
        most = items * int(min(max(choice["neighbours"] for choice in config.choices), items))
        self.register_buffer("target_X", torch.zeros(most, dtype=torch.int64))
        self.register_buffer("value_X", torch.zeros(most))
        self.register_buffer("offset_N", torch.zeros(items + 2, dtype=torch.int64))
        self.offer(config.choices)
        self._solved = past.Solved()

    @property
    def needs(self) -> Needs:
        return self.config.needs

    def solve(self, train: Interactions) -> None:
        """A choice of `length` alone counts nothing anew."""
        how = (self.chosen["shrink"], self.chosen["neighbours"])
        if self._solved.holds(train, how, self.value_X):
            return
        items = train.items
        past_X, target_X, value_X = _alike(train, float(how[0]), min(int(how[1]), items))
        order_X = torch.argsort(past_X * (items + 1) + target_X)
        self.target_X.zero_()[: len(order_X)] = target_X[order_X].to(self.target_X)
        self.value_X.zero_()[: len(order_X)] = value_X[order_X].to(self.value_X)
        self.offset_N[1:] = torch.bincount(past_X, minlength=items + 1).cumsum(0).to(self.offset_N)
        self._solved.now(train, how, self.value_X)

    def score_all(self, batch: Batch) -> Tensor:
        ragged = (self.offset_N, self.target_X, self.value_X)
        return past.scattered(batch.item_BL, self._weights(batch), ragged, len(self.offset_N) - 1)

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        return self.score_all(batch).gather(1, item_BK)

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        """What each event that is read adds to the score; their sum is the score."""
        wide, kept = len(self.offset_N), int(self.offset_N[-1])
        past_X = torch.repeat_interleave(torch.arange(wide - 1, device=item_B.device), self.offset_N.diff())
        key_X = past_X * wide + self.target_X[:kept]
        asked_BL = batch.item_BL * wide + item_B[:, None]
        place_BL = torch.searchsorted(key_X, asked_BL).clamp(max=max(kept - 1, 0))
        alike_BL = self.value_X[place_BL] * (key_X[place_BL] == asked_BL) if kept else torch.zeros_like(asked_BL)
        weight_BL = self._weights(batch)
        return [Weights(weight_BL * alike_BL, "history", "signed", faithful=True, valid=weight_BL > 0)]

    def _weights(self, batch: Batch) -> Tensor:
        return past.weights(batch, int(self.chosen["length"]), self.value_X.dtype)


def _alike(train: Interactions, shrink: float, neighbours: int) -> tuple[Tensor, Tensor, Tensor]:
    """Each item's most alike: past_X, target_X and how much, all above 0."""
    items = train.items
    pairs = Pairs.of(train.user_E, train.item_E, train.users, items)
    root_N = torch.from_numpy(pairs.count_N).float().sqrt()
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for first in range(1, items + 1, ROWS):
        target_I = torch.arange(first, min(first + ROWS, items + 1))
        count_IN = np.empty((len(target_I), items + 1), np.float32)
        pairs.shared(first, count_IN)
        alike_IN = torch.from_numpy(count_IN).div_((root_N[target_I, None] * root_N).add_(shrink).clamp_(min=1e-12))
        alike_IN[torch.arange(len(target_I)), target_I] = 0
        value_IK, past_IK = alike_IN.topk(neighbours, dim=1)
        kept_IK = value_IK > 0
        found.append((past_IK[kept_IK], target_I[:, None].expand_as(past_IK)[kept_IK], value_IK[kept_IK]))
    past_X, target_X, value_X = (torch.cat(parts) for parts in zip(*found, strict=True))
    return past_X, target_X, value_X
