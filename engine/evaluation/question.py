"""Why an item: what is asked of every reading, and the value that is explained."""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.evaluation.erasure import select_rows
from engine.evaluation.rate import rates
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import CatalogScorer, Recommender


@dataclass(frozen=True)
class Question:
    """Why an item a row. `among_BK`: what it is compared with where a model scores no whole catalog. `within_BL`: the
    acts whose parts are left out one by one (None: of all). `same_B`: rows of one number, below that of the rows, are
    alike but for the item, and are read once where that can be (None: each its own).
    """

    model: Recommender
    batch: Batch
    item_B: Tensor
    catalog: Catalog
    among_BK: Tensor | None = None
    within_BL: Tensor | None = None
    same_B: Tensor | None = None

    @staticmethod
    def of_each(
        model: Recommender, batch: Batch, item_BK: Tensor, catalog: Catalog, among_BM: Tensor | None = None
    ) -> "Question":
        """Why each of some items of a row (0: none, asked as if it were item 1), a row an item: row b * K + k. They are
        compared among each other, or among_BM.
        """
        row_R = torch.arange(len(item_BK), device=item_BK.device).repeat_interleave(item_BK.shape[1])
        among_RM = (item_BK if among_BM is None else among_BM)[row_R]
        return Question(
            model, select_rows(batch, row_R), item_BK.flatten().clamp(min=1), catalog, among_RM, same_B=row_R
        )

    def some(self, row_R: Tensor) -> "Question":
        """Some of its rows, of which those are alike that were."""
        of_BK, within_BL, same_B = self.among_BK, self.within_BL, self.same_B
        return Question(
            self.model,
            select_rows(self.batch, row_R),
            self.item_B[row_R],
            self.catalog,
            None if of_BK is None else of_BK[row_R],
            None if within_BL is None else within_BL[row_R],
            None if same_B is None else torch.unique(same_B[row_R], return_inverse=True)[1],
        )

    def value(self, batch: Batch, row_R: Tensor) -> Tensor:
        """What is explained, in 64 bits, for the rows of another batch, each of which stands for one of this batch."""
        among = None if self.among_BK is None else self.among_BK[row_R]
        return log_probability(self.model, batch, self.item_B[row_R], among).double()


def log_probability(
    model: Recommender, batch: Batch, item_B: Tensor, among_BK: Tensor | None = None, place_B: Tensor | None = None
) -> Tensor:
    """What is derived, value_B: the predicted rating, or the log-softmax of the scores over the catalog or `among_BK`.

    `place_B`: the batch's row that each item is asked of, for a model that scores the catalog (None: each its own).

    Raises:
        ValueError: the model scores no whole catalog and there is no `among_BK`.
    """
    if rates(model):
        rating_B: Tensor = model.rate(batch, item_B)  # type: ignore[operator]
        return rating_B
    if isinstance(model, CatalogScorer):
        score_BN = model.score_all(batch)[:, 1:]
        row_B = torch.arange(len(item_B), device=item_B.device) if place_B is None else place_B
        return score_BN[row_B, item_B - 1] - score_BN.logsumexp(1)[row_B]
    if among_BK is None:
        raise ValueError(f"{type(model).__name__} scores no whole catalog: say among which items the asked ones are")
    score_BK = model.score(batch, torch.cat([item_B[:, None], among_BK], 1))
    rival_BK = (among_BK > 0) & (among_BK != item_B[:, None])
    other_BK = score_BK[:, 1:].masked_fill(~rival_BK, -torch.inf)
    return score_BK[:, 0] - torch.cat([score_BK[:, :1], other_BK], 1).logsumexp(1)
