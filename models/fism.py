"""FISM: factored item similarity, how much all that a person has done speaks for a target, each thing as much.

Kabbur, Ning, Karypis: FISM. KDD 2013. With log loss as in He et al., NAIS, TKDE 2018.

score of j = b_j + n^-alpha · sum over the n past items i other than j of p_i · q_j. Losses over each positive and the
`negatives` drawn beside it: `log` (from logits, NAIS's form of FISM), `squared` (FISMrmse: (r - s)^2, r = 1 or 0),
`auc` (FISMauc: the squared error of the difference, (1 - (s_own - s_other))^2); beside it `regularisation` times the
squared rows of P and Q.

**Departs from the paper:** no user bias: what one person's items are ranked by does not hold it. Sampled zeros are so
many a positive, and what the person has had is not drawn. The penalty is over whole tables, beside a mean loss; biases
have none. 32 `negatives` by default (the paper: 3 to 15 zeros a one; NAIS: 4). Learnt by the engine's optimiser (the
paper: SGD; NAIS: Adagrad, one person a step). A history is its newest `length` acts, few by default, where the paper
takes all and NAIS's code the first 299: what is next hangs on the newest (docs/results.md). A history of nothing but
the target sums to 0.
`history: others` is the papers': a target is learnt beside all else that the person chose, before or after (with more
than `window` events, in windows); `before` learns from the newest `length` before it, as it is ranked. `recency` is
ours: an act weighs e^r with r learnt for each place from the newest, 0 at first, and n is the sum of these weights.
"""

from typing import Literal, final

import torch
from pydantic import Field
from torch import Tensor, nn

from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import CatalogScorer, Explainer, Learner, Weights
from engine.training.needs import Needs
from models.blocks import every_item, history
from models.blocks.asked import Asked, History
from models.blocks.shared_settings import Dim


class Config(History):
    """Of `history: before`, exponents and losses."""

    dim: Dim = 64
    loss: Literal["log", "squared", "auc"] = Field("log", description="NAIS's log loss, FISMrmse or FISMauc")
    alpha: float = Field(0.5, ge=0, le=1, description="exponent of the history's size: 0 a sum, 1 a mean")
    regularisation: float = Field(1e-7, ge=0, description="weight of the squared rows of P and Q beside the loss")


def build(config: Config, catalog: Catalog, users: int) -> "FISM":
    """Factors near zero: the first score is 0."""
    return FISM(config, catalog.items)


@final
class FISM(Learner, CatalogScorer, Explainer):
    """An event of presence 0 is as one that never was."""

    def __init__(self, config: Config, items: int):
        super().__init__()
        self.config = config
        self.past_ND, self.target_ND = (nn.Parameter(torch.randn(items + 1, config.dim) * 0.01) for _ in range(2))
        self.bias_N = nn.Parameter(torch.zeros(items + 1))
        self.recency_P = nn.Parameter(torch.zeros(config.length)) if config.recency else None

    @property
    def needs(self) -> Needs:
        return self.config.needs

    @property
    def powers(self) -> tuple[float, float]:
        """alpha and beta of `history`: of how many acts there are, or of the sum of their weights."""
        return (self.config.alpha, 0.0) if self.recency_P is None else (0.0, self.config.alpha)

    def items(self) -> history.Items:
        """The tables; the weights are even but for recency."""
        even = None if self.recency_P is None else history.Halves.even(self.past_ND)
        return history.Items(self.past_ND, self.target_ND, even, self.bias_N, self.recency_P)

    def loss(self, batch: Batch) -> Tensor:
        asked, label_BT = Asked.learnt(batch, self.config)
        squares = self.past_ND.square().sum() + self.target_ND.square().sum()
        penalty = self.config.regularisation * squares
        if self.config.loss == "log":
            return history.log_loss(self.items(), asked, label_BT, *self.powers) + penalty
        score_BT = history.scores(self.items(), asked, *self.powers)
        wrong_BT = label_BT - score_BT
        if self.config.loss == "auc":
            score_BLK = score_BT.view(len(score_BT), -1, 1 + self.config.negatives)
            wrong_BT = (1 - (score_BLK[..., :1] - score_BLK[..., 1:])).flatten(1)
            asked_BT = label_BT.view_as(score_BLK)[..., :1].expand(-1, -1, self.config.negatives).flatten(1) > 0
        else:
            asked_BT = asked.target_BT > 0
        return (wrong_BT.square() * asked_BT).sum() / label_BT.sum().clamp(min=1) + penalty

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        return history.scores(self.items(), Asked.after(batch, item_BK), *self.powers)

    def score_all(self, batch: Batch) -> Tensor:
        asked = Asked.after(batch, batch.item_BL)
        return every_item.scores(self.items(), asked, *self.powers)

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        """What each event adds to the score; their sum and the item's bias are the score."""
        asked = Asked.after(batch, item_B[:, None])
        return history.reasons(self.items(), asked, *self.powers)[:1]
