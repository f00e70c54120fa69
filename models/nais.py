"""NAIS: item similarity whose weights are learnt from how each past item and the target meet.

He, He, Song, Liu, Jiang, Chua: NAIS, Neural Attentive Item Similarity Model for Recommendation. TKDE 2018.

score of j = b_j + n^-alpha · sum of a_ij (p_i · q_j), a_ij = exp(l_ij) / (sum over i of exp(l_ij))^beta, l_ij = h ·
relu(W x + c) with x = p_i * q_j (`attention: product`) or [p_i; q_j] (`concatenation`, whose W is two halves: each is
made once an item). Log loss of each positive and the `negatives` beside it. The kernel is `blocks/history.py`, of which
IRIS is the one whose attention reads pictures and texts, and FISM the one without attention.

With `pretraining` P, Q and b are learnt as FISM first, in a phase of their own, by sums over histories; its exponent is
alpha + beta, so that NAIS with even weights goes on with the very same scores.

**Departs from the paper:** n counts the history without the target. The penalties of P, Q (`regularisation`) and W
(`attention_regularisation`) are over whole tables, beside a mean loss of all positives of a step, which weigh the same
(the authors' code: one person a step, who all weigh the same). The authors pre-train with the exponent 0. P and Q start
plainly normal, not cut; c starts at 0 (drawn it would scale all scores alike, and lose what pre-training gave). Learnt
by the engine's optimiser, not Adagrad. A history is its newest `length` acts, few by default, where the paper takes all
and the authors' code the first 299: what is next hangs on the newest (docs/results.md). 32 `negatives` by default,
where the authors draw 4.
`history: others` is the paper's: a target is learnt beside all else that the person chose, before or after (with more
than `window` events, in windows); `before` learns from the newest `length` before it, as it is ranked. `recency` is
ours: l_ij gains an r learnt for each place of i from the newest, 0 at first, in both phases.
"""

from typing import Literal, final

import torch
from pydantic import Field
from torch import Tensor, nn

from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import CatalogScorer, Explainer, Phase, Phased, Weights
from engine.training.needs import Needs
from models.blocks import every_item, history
from models.blocks.asked import Asked, History
from models.blocks.shared_settings import Dim


class Config(History):
    """Attention, exponents, and what comes first."""

    dim: Dim = 16
    hidden: int = Field(16, ge=1, description="width of the attention's layer")
    attention: Literal["product", "concatenation"] = Field(
        "product", description="what the attention reads of a past item and the target"
    )
    alpha: float = Field(0.0, ge=0, le=1, description="exponent of the history's size")
    beta: float = Field(0.5, ge=0, le=1, description="exponent of the softmax's denominator")
    pretraining: bool = Field(True, description="whether factors and biases are learnt as FISM first")
    regularisation: float = Field(1e-7, ge=0, description="weight of the squared rows of P and Q beside the loss")
    attention_regularisation: float = Field(1e-5, ge=0, description="weight of the attention's squared matrix")


def build(config: Config, catalog: Catalog, users: int) -> "NAIS":
    """Factors first, as FISM draws them."""
    return NAIS(config, catalog.items)


@final
class NAIS(Phased, CatalogScorer, Explainer):
    """An event of presence 0 is as one that never was."""

    def __init__(self, config: Config, items: int):
        super().__init__()
        self.config, self.attentive = config, True
        dim, width = config.dim, config.hidden
        self.past_ND, self.target_ND = (nn.Parameter(torch.randn(items + 1, dim) * 0.01) for _ in range(2))
        self.bias_N = nn.Parameter(torch.zeros(items + 1))
        read = dim if config.attention == "product" else 2 * dim
        self.mix_AX = nn.Parameter(torch.randn(width, read) * (2 / (width + read)) ** 0.5)
        self.shift_A = nn.Parameter(torch.zeros(width))
        self.out_A = nn.Parameter(torch.ones(width))
        self.recency_P = nn.Parameter(torch.zeros(config.length)) if config.recency else None

    @property
    def needs(self) -> Needs:
        return self.config.needs

    @property
    def phases(self) -> list[Phase]:
        return [Phase("fism"), Phase("nais")] if self.config.pretraining else [Phase("nais")]

    def enter(self, phase: str) -> None:
        self.attentive = phase == "nais"

    def items(self) -> history.Items:
        """The tables, and what weighs them in the phase that was entered."""
        attention: history.Halves | history.Product | None
        if self.attentive and self.config.attention == "product":
            attention = history.Product(self.mix_AX, self.shift_A, self.out_A)
        elif self.attentive:
            of_past_AD, of_target_AD = self.mix_AX.chunk(2, 1)
            target_NA = self.target_ND @ of_target_AD.T + self.shift_A
            attention = history.Halves(self.past_ND @ of_past_AD.T, target_NA, self.out_A)
        else:
            attention = None if self.recency_P is None else history.Halves.even(self.past_ND)
        return history.Items(self.past_ND, self.target_ND, attention, self.bias_N, self.recency_P)

    def loss(self, batch: Batch) -> Tensor:
        asked, label_BT = Asked.learnt(batch, self.config)
        choice = history.log_loss(self.items(), asked, label_BT, self.config.alpha, self.config.beta)
        penalty = self.config.regularisation * (self.past_ND.square().sum() + self.target_ND.square().sum())
        if self.attentive:
            penalty = penalty + self.config.attention_regularisation * self.mix_AX.square().sum()
        return choice + penalty

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        return history.scores(self.items(), Asked.after(batch, item_BK), self.config.alpha, self.config.beta)

    def score_all(self, batch: Batch) -> Tensor:
        asked = Asked.after(batch, batch.item_BL)
        return every_item.scores(self.items(), asked, self.config.alpha, self.config.beta)

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        """What each event adds to the score (with the item's bias they sum to it), and its a_ij over their sum."""
        asked = Asked.after(batch, item_B[:, None])
        return history.reasons(self.items(), asked, self.config.alpha, self.config.beta)
