"""EASE: a linear item-to-item model without a diagonal, solved at once (Steck, WWW 2019).

min |X - X B|^2 + penalty |B|^2 with diag B = 0, X 1 where a person chose an item, gives with
P = (X' X + penalty I)^-1: B_ij = -P_ij / P_jj, and score of j = the sum of B_ij over the items i that somebody chose.

**Departs from the paper:** nothing in the equations. A score is made from the history at hand, so that it needs nobody
to have been there in training; of it the last `length` events are read, each item once. One of presence 0 is as if it
had never been. The matrix has a square of the items in it: beyond `items` only those chosen most are in it, and the
score of another is 0, as it is of one that nobody chose. `penalty` and `length` may be lists: validation chooses.
"""

from typing import Annotated, final

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

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

Penalty = Annotated[float, Field(gt=0)]


class Config(Settings):
    """What the weights cost, and how much of a history is read."""

    penalty: Penalty | Annotated[tuple[Penalty, ...], Field(min_length=1)] = Field(
        (100, 500, 2000), description="weight of the squared weights; or a list to choose from"
    )
    length: Counts = Field(
        (3, 10, 50, 10_000), description="events of history that are read, the last; or a list to choose from"
    )
    items: int = Field(
        20_000,
        ge=2,
        description="at most so many are weighed, the most chosen ones: memory is 12 bytes times their square",
    )

    @property
    def choices(self) -> list[dict[str, float]]:
        """With one penalty after the other, so that each is solved for once."""
        return combinations(penalty=self.penalty, length=self.length)

    @property
    def needs(self) -> Needs:
        """As much history as any choice reads; what is learnt from is a set."""
        return Needs(length=int(max(choice["length"] for choice in self.choices)), ahead=0)


def build(config: Config, catalog: Catalog, users: int) -> "EASE":
    """The model, not yet solved."""
    return EASE(config, catalog.items)


@final
class EASE(Chosen, Tuned, CatalogScorer, Explainer):
    """matrix_MM holds B among the items at place_N, counted from 1 (0: in no place)."""

    matrix_MM: Tensor
    place_N: Tensor

    def __init__(self, config: Config, items: int):
        super().__init__()
        self.config = config
        weighed = min(items, config.items)
        self.register_buffer("matrix_MM", torch.zeros(weighed, weighed))
        self.register_buffer("place_N", torch.zeros(items + 1, dtype=torch.int64))
        self.offer(config.choices)
        self._solved = past.Solved()

    @property
    def needs(self) -> Needs:
        return self.config.needs

    def solve(self, train: Interactions) -> None:
        """Raises ValueError where the penalty is too small for 32 bits. A choice of `length` alone solves nothing."""
        if self._solved.holds(train, (self.chosen["penalty"],), self.matrix_MM):
            return
        items, weighed = len(self.place_N) - 1, len(self.matrix_MM)
        count_N = torch.bincount(train.item_E, minlength=items + 1)
        most_M = torch.sort(count_N[1:], descending=True, stable=True).indices[:weighed].sort().values + 1
        self.place_N.zero_()[most_M] = torch.arange(1, weighed + 1, device=most_M.device)
        place_X = self.place_N[train.item_E]
        pairs = Pairs.of(train.user_E[place_X > 0], place_X[place_X > 0], train.users, weighed)
        gram_MM = np.zeros((weighed, weighed + 1), np.float32)
        pairs.shared(1, gram_MM)
        self.matrix_MM.copy_(torch.from_numpy(gram_MM)[:, 1:])
        del gram_MM
        self.matrix_MM.diagonal().add_(self.chosen["penalty"])
        root_MM, failed = torch.linalg.cholesky_ex(self.matrix_MM)
        if int(failed):
            raise ValueError(
                f"penalty {self.chosen['penalty']} is too small to solve for in 32 bits: take a larger one"
            )
        torch.cholesky_inverse(root_MM, out=self.matrix_MM)
        self.matrix_MM.div_(-self.matrix_MM.diagonal().clone()).fill_diagonal_(0)
        self._solved.now(train, (self.chosen["penalty"],), self.matrix_MM)

    def score_all(self, batch: Batch) -> Tensor:
        place_BL = self.place_N[batch.item_BL]
        score_BM = past.sums((place_BL - 1).clamp(min=0), self._weights(batch, place_BL), self.matrix_MM)
        score_BN = F.pad(score_BM, (1, 0))
        return score_BN if score_BN.shape[1] == len(self.place_N) else score_BN[:, self.place_N]

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        return self.score_all(batch).gather(1, item_BK)

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        """What each event that is read adds to the score; their sum is the score."""
        place_BL, place_B1 = self.place_N[batch.item_BL], self.place_N[item_B][:, None]
        adds_BL = self.matrix_MM[(place_BL - 1).clamp(min=0), (place_B1 - 1).clamp(min=0)] * (place_B1 > 0)
        weight_BL = self._weights(batch, place_BL)
        return [Weights(weight_BL * adds_BL, "history", "signed", faithful=True, valid=weight_BL > 0)]

    def _weights(self, batch: Batch, place_BL: Tensor) -> Tensor:
        weight_BL = past.weights(batch, int(self.chosen["length"]), self.matrix_MM.dtype)
        return weight_BL * (place_BL > 0)
