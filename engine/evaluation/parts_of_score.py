"""What views, topics or categories add to an asked item's score, and the score where some add what the mean item's do.

Many of these parts are vectors that were learnt, and no input that could be taken away: JRL's views, CTR's topics. But
the model says what each adds (`faithful`, signed, over the asked item), so that a part can be the mean item's: whether
the sum is the score is not taken on trust (`untold`).
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from engine.training.batch import Batch
from engine.training.contract import Explainer, Recommender, Weights

Addend = Literal["view", "topic", "category"]
ITEMS = 32  # of the catalogue, dealt out by a seed, that the mean is taken from


def addends(model: Recommender, batch: Batch, item_B: Tensor, over: Addend) -> Weights | None:
    """What each part of the asked items adds to their scores, where the model says so."""
    told = model.explain(batch, item_B) if isinstance(model, Explainer) else []
    found = [one for one in told if one.over == over and one.kind == "signed" and one.faithful and one.value.ndim == 2]
    return found[0] if found else None


@dataclass(frozen=True)
class PartsOfScore:
    """`value_BP`: what each part adds; `mean_BP`: what the same part of an item that has it adds in the mean, of a
    category what any category of an item does. `untold_B`: how far the scores of items differ by what no part tells, in
    standard deviations over these items: 0 where the parts sum to the score.
    """

    value_BP: Tensor
    valid_BP: Tensor
    mean_BP: Tensor
    untold_B: Tensor

    @staticmethod
    def of(model: Recommender, batch: Batch, item_B: Tensor, over: Addend, score_BN: Tensor) -> "PartsOfScore":
        """`score_BN`: of the whole catalogue, in which no part is changed."""
        own = addends(model, batch, item_B, over)
        assert own is not None
        catalogue = (
            torch.randperm(score_BN.shape[1] - 1, generator=torch.Generator().manual_seed(score_BN.shape[1])) + 1
        )
        drawn_M = catalogue[:ITEMS].to(item_B.device)
        told = [addends(model, batch, item.expand_as(item_B), over) for item in drawn_M]
        parts = [(one.value.double() * one.valid, one.valid) for one in told if one is not None]
        summed_MB = torch.stack([value_BP.sum(1) for value_BP, _ in parts])
        if over == "category":  # another item's stand in other places
            total_B1 = torch.stack([valid_BP.sum(1) for _, valid_BP in parts]).sum(0)[:, None]
            mean_BP = (summed_MB.sum(0)[:, None] / total_B1.clamp(min=1)).expand(own.value.shape)
        else:
            total_BP = torch.stack([valid_BP for _, valid_BP in parts]).sum(0)
            mean_BP = torch.stack([value_BP for value_BP, _ in parts]).sum(0) / total_BP.clamp(min=1)
        score_MB = score_BN[:, drawn_M].T.double()
        untold_B = (score_MB - summed_MB).std(0) / score_MB.std(0).clamp(min=1e-12)
        return PartsOfScore(own.value.double(), own.valid, mean_BP, untold_B)

    def falls(self, gone_BP: Tensor) -> Tensor:
        """How far each score goes down where some parts are the mean item's, fall_B."""
        return (self.each() * gone_BP).sum(1)

    def each(self) -> Tensor:
        """The fall where each part alone is; 0 where there is none."""
        return (self.value_BP - self.mean_BP) * self.valid_BP
