"""CTR-BPR: items are what they are about and what people make of them, ordered pairwise (CTR as Ante-RNN compares it).

score = b_i + u_u . v_i with v_i = theta_i + eps_i, theta_i the topic shares of the item's text; for each training pair
(u, i) and drawn item j the loss is softplus(-(score_ui - score_uj)) + lambda_v / 2 · |eps|^2 of both items + lambda_u /
2 · |u_u|^2. Wang and Blei, KDD 2011, trained by the loss that Liu, Zhang and Gulla (IPM 2020) gave all their baselines.

**Departs from the paper:** a reconstruction: that paper says no more than that CTR was trained with BPR. theta are
the shares of the `topics` stage (see ctr). `held`: for so many epochs users are learnt with items at their theta, then
both; eps starts at zero. Of all else, epochs, steps, draws and the users' start, bpr_mf's.
"""

from typing import final

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import Explainer, Factored, Phase, Phased, Weights
from engine.training.needs import Needs, Settings
from models.blocks.shared_settings import Negatives
from models.blocks.triples import bpr


class Config(Settings):
    """As wide as there are topics: `contents.<content>.topics.count`."""

    negatives: Negatives = 1
    held: int = Field(10, ge=0, description="epochs in which items stay at their topics and users alone are learnt")
    user_ridge: float = Field(0.001, ge=0, description="lambda_u, how strongly users are drawn to zero")
    item_ridge: float = Field(0.01, ge=0, description="lambda_v, how strongly items are drawn to their topics")

    @property
    def needs(self) -> Needs:
        return Needs(negatives=self.negatives, views=frozenset({"topics"}))


def build(config: Config, catalog: Catalog, users: int) -> "CTRBPR":
    """Items at their topics, users near zero: the first loss is ln 2."""
    return CTRBPR(config, catalog.vector("topics"), users)


@final
class CTRBPR(Phased, Factored, Explainer):
    """Phases: `held`, where there is one, and `free`. The bias is the last column of an item's row."""

    theta_NT: Tensor

    def __init__(self, config: Config, theta_NT: Tensor, users: int):
        super().__init__()
        self.config, self.phase = config, "free"
        self.register_buffer("theta_NT", theta_NT, persistent=False)
        self.user_UT = nn.Parameter(torch.randn(users + 1, theta_NT.shape[1]) * 0.01)
        self.apart_NT = nn.Parameter(torch.zeros_like(theta_NT))
        self.bias_N = nn.Parameter(torch.zeros(len(theta_NT)))

    @property
    def phases(self) -> list[Phase]:
        held = [Phase("held", epochs=self.config.held, selected=False)] if self.config.held else []
        return [*held, Phase("free")]

    def enter(self, phase: str) -> None:
        self.phase = phase

    @property
    def needs(self) -> Needs:
        return self.config.needs

    def loss(self, batch: Batch) -> Tensor:
        if batch.target_BL is None or batch.negative_BLK is None:
            raise ValueError("BPR compares targets with drawn items; the batch has none")
        own_B, other_BK = batch.target_BL[:, 0], batch.negative_BLK[:, 0]
        choice = bpr(self.user_UT, self.keys(), batch.user_B, own_B, other_BK, 0.0)
        far_N = self._apart().square().sum(1)
        far = far_N[own_B].mean() + far_N[other_BK].mean()
        user = F.embedding(batch.user_B, self.user_UT).square().sum(1).mean()
        return choice + (self.config.user_ridge * user + self.config.item_ridge * far) / 2

    def query(self, batch: Batch) -> Tensor:
        return F.pad(self.user_UT[batch.user_B], (0, 1), value=1.0)

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        item_NE = torch.cat([self.theta_NT + self._apart(), self.bias_N[:, None]], 1)
        return item_NE if item_U is None else item_NE[item_U]

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        """What each topic adds to the score, u times v; the sum and the item's bias are the score."""
        value_BT = self.user_UT[batch.user_B] * self.keys(item_B)[:, :-1]
        return [Weights(value_BT, "topic", "signed", True, torch.ones_like(value_BT, dtype=torch.bool))]

    def scores_without(self, batch: Batch, item_B: Tensor) -> Weights:
        """With the mean item's share of one topic, of those that the text has more of; eps stays."""
        over_BT = self.theta_NT[item_B] - self.theta_NT[1:].mean(0)
        score_BT = self.score(batch, item_B[:, None]) - self.user_UT[batch.user_B] * over_BT
        return Weights(score_BT, "topic", "signed", True, over_BT > 0)

    def _apart(self) -> Tensor:
        return self.apart_NT.detach() if self.phase == "held" else self.apart_NT
