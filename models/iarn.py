"""IARN: what a person did and who acted on an item, two recurrences that gate each other (Pei et al., CIKM 2017).

On each side u_t = (1 - a_t) u_(t-1) + a_t relu(W u_(t-1) + H x_t + b) (eq. 3-5), where the gate a_t = sigmoid(c (m .
tanh(L [own_t; w s] + b') + m0)) sees the step from both directions, own_t, and the partner's summary s, read from its
two ends (eq. 6-9). u~ = PReLU(A u_T + b) (eq. 2), score = u~ . v~ (eq. 1), squared error of ratings (eq. 13). The item
side's inputs pass the matrices of the item's categories, added or along the tree's paths (eq. 10-12).

**Departs from the paper:** both histories of a pair end strictly before its moment; the authors' code learns from whole
histories, the pair itself and what came later included (`readings.leak`, for parity). Inputs are learnt embeddings (the
authors' are given vectors of unknown origin), beside which the rating stands as one more channel (`ratings: false`
without). A category is known by its name; over several paths the mean of their products; no tanh after each matrix, as
in the authors' code. Eq. 7 does not say what its g is: relu, eq. 4's, is taken (the authors' code: `scale: 2, summary:
0.25, activation: softplus`, `inner` 4 x hidden). Over long histories its states grow until all gates are alike; those
of `activation: tanh`, ours, cannot. Adam, steps of more pairs than 50, and in params.yaml squared matrices beside the
loss: without them it overfits after a few epochs. The ranking loss is ours (BPR over drawn items).
Item histories are of training events alone, capped as the person's; items that nobody acted on score alike.
"""

from typing import Literal, final

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from engine.tables.settings import Record
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import Explainer, Learner, Rater, Weights
from engine.training.needs import Needs, Settings
from models.blocks.categories import FEATURES
from models.blocks.gated import Activation
from models.blocks.histories import Histories
from models.blocks.shared_settings import Dim, Dropout, Length, Negatives
from models.blocks.side import Gate, LSTMSide, Met, Read, Side

ROWS, PAIRS = 2048, 512  # item histories that are read, and pairs that meet, at once


class Readings(Record):
    """Where the authors' code differs."""

    scale: float = Field(1.0, gt=0, description="factor of a gate's logit, c")
    summary: float = Field(1.0, ge=0, description="factor of the partner's summary, w")
    activation: Activation = Field("relu", description="g of eq. 7, which the paper leaves open; tanh is ours, bounded")
    leak: bool = Field(False, description="whether pairs are learnt from whole histories, later events included")


class Config(Settings):
    """The paper's rows: IARN as it stands; IARN-Plain `features: none`; without them, TAGM-backbone `gate: own`,
    RNN-backbone `gate: none`, LSTM-backbone `gate: none, cell: lstm`.
    """

    dim: Dim = 25
    hidden: int = Field(64, ge=1, description="width of a recurrence's state")
    inner: int = Field(64, ge=1, description="width of the layer that a gate is read from")
    length: Length = 50
    item_length: int = Field(50, ge=1, description="events in an item's history; older ones are left out")
    gate: Gate = Field("interacting", description="what a step's gate sees: both sides, its own, or there is none")
    cell: Literal["gated", "lstm"] = Field("gated", description="the recurrence; lstm goes with gate: none")
    features: Literal["none", "flat", "hierarchical"] = Field("flat", description="how an item's categories enter")
    ratings: bool = Field(True, description="whether histories carry ratings")
    loss: Literal["rating", "ranking"] = Field("rating", description="squared error, or BPR over drawn items")
    negatives: Negatives = 1
    dropout: Dropout = 0.25
    readings: Readings = Field(Readings(), description="the printed form or the authors' code")

    @model_validator(mode="after")
    def _agree(self) -> "Config":
        if self.cell == "lstm" and self.gate != "none":
            raise ValueError(f"an LSTM has gates of its own: set gate: none beside cell: lstm (found {self.gate})")
        return self

    @property
    def needs(self) -> Needs:
        """Pairs with both histories; ratings unless both they and the loss are switched off them."""
        return Needs(
            length=self.length,
            item_length=self.item_length,
            pairs=True,
            negatives=self.negatives if self.loss == "ranking" else 0,
            ratings=self.ratings,
            predicts="rating" if self.loss == "rating" else "item",
            views=frozenset() if self.features == "none" else frozenset({"categories"}),
            leak=self.readings.leak,
        )


def build(config: Config, catalog: Catalog, users: int) -> "IARN":
    """Two sides of one kind, and the encoder of the item's."""
    width = config.dim + config.ratings

    def side() -> Side | LSTMSide:
        if config.cell == "lstm":
            return LSTMSide(width, config.hidden)
        return Side(width, config.hidden, config.inner, config.gate, config.readings.activation)

    features = FEATURES[config.features](catalog, config.dim)
    histories = Histories(catalog.items, users, config.dim, features, config.dropout)
    return IARN(config, (side(), side()), histories)


@final
class IARN(Learner, Rater, Explainer):
    """`user` reads items, `item` reads users; nothing but histories tells who or what is asked."""

    def __init__(self, config: Config, sides: tuple[Side | LSTMSide, Side | LSTMSide], histories: Histories):
        super().__init__()
        self.config, self.histories = config, histories
        self.user, self.item = sides
        self.tops = nn.ModuleList(nn.Linear(config.hidden, config.hidden) for _ in range(2))
        self.bends = nn.ModuleList(nn.PReLU() for _ in range(2))
        self.dropout = nn.Dropout(config.dropout)

    @property
    def needs(self) -> Needs:
        return self.config.needs

    def loss(self, batch: Batch) -> Tensor:
        """Squared error of the target's rating, or the target before drawn items."""
        if batch.target_BL is None:
            raise ValueError("a batch to learn from has targets; this one has none")
        if self.config.loss == "rating":
            if batch.rated_B is None:
                raise ValueError("the rating loss compares with the targets' ratings; the batch has none")
            return F.mse_loss(self._scores(batch, batch.target_BL)[:, 0], batch.rated_B)
        if batch.negative_BLK is None:
            raise ValueError("the ranking loss compares with drawn items; the batch has none")
        score_BK = self._scores(batch, torch.cat([batch.target_BL, batch.negative_BLK[:, 0]], 1))
        return F.softplus(score_BK[:, 1:] - score_BK[:, :1]).mean()

    def rate(self, batch: Batch, item_B: Tensor) -> Tensor:
        return self.score(batch, item_B[:, None])[:, 0]

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        """Each distinct history is read once, block by block; an act of presence 0 is still a step, on zeros."""
        if batch.audience_presence_BKM is not None:
            return self._scores(batch, item_BK)
        user, (history_U2, where_P) = self._users(batch), self.histories.asked(batch, item_BK)
        row_P = torch.arange(len(item_BK), device=item_BK.device).repeat_interleave(item_BK.shape[1])
        score_P = self.histories.item_ND.new_zeros(len(row_P))
        for first in range(0, len(history_U2), ROWS):
            item, _ = self._items(batch, history_U2[first : first + ROWS])
            here_P = ((where_P >= first) & (where_P < first + ROWS)).nonzero()[:, 0]
            for part_P in torch.split(here_P, PAIRS):
                met = self._meet(user, item, row_P[part_P], where_P[part_P] - first)
                score_P = score_P.index_put((part_P,), self._product(*met))
        return score_P.view(item_BK.shape)

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        """On both sides each step's share in the last state, and the gates that these shares are made of.

        The last state is exactly the sum of what the steps bring, so weighed; but what a step brings has itself seen
        the state before it, so that erasing the heaviest need not move the score most: none is said to be faithful.
        """
        if self.config.gate == "none":
            return []
        user, (history_U2, where_B) = self._users(batch), self.histories.asked(batch, item_B[:, None])
        item, user_X = self._items(batch, history_U2[where_B])
        mine, its = self._meet(user, item, None, None)
        share_BL, gate_BL, valid_BL = mine.weights(batch.item_BL.shape[1])
        share_BM, gate_BM, valid_BM = its.weights(max(len(item.layout.sizes), 1))
        person_BM = item.layout.spread(user_X, share_BM.shape[1])
        return [
            Weights(share_BL, "history", "gate", False, valid_BL),
            Weights(share_BM, "item_history", "gate", False, valid_BM, about=item_B, part=person_BM),
            Weights(gate_BL, "gate", "gate", False, valid_BL, part=batch.item_BL),
            Weights(gate_BM, "item_gate", "gate", False, valid_BM, about=item_B, part=person_BM),
        ]

    def _scores(self, batch: Batch, item_BK: Tensor) -> Tensor:
        """The same as `score`, all pairs at once, each item with a history of its own."""
        user, (history_U2, where_P) = self._users(batch), self.histories.asked(batch, item_BK)
        item, _ = self._items(batch, history_U2[where_P])
        row_P = torch.arange(len(item_BK), device=item_BK.device).repeat_interleave(item_BK.shape[1])
        return self._product(*self._meet(user, item, row_P if item_BK.shape[1] > 1 else None, None)).view(item_BK.shape)

    def _users(self, batch: Batch) -> Read:
        read: Read = self.user(*self.histories.of_users(batch))
        return read

    def _items(self, batch: Batch, history_U2: Tensor) -> tuple[Read, Tensor]:
        """The items' side, and who acted at each step."""
        value_XE, layout, user_X = self.histories.of_items(batch, history_U2, self.config.item_length)
        return self.item(value_XE, layout), user_X

    def _meet(self, user: Read, item: Read, row_P: Tensor | None, place_P: Tensor | None) -> tuple[Met, Met]:
        weight, scale = self.config.readings.summary, self.config.readings.scale
        mine, its = user.summary_BS, item.summary_BS
        if mine is not None and its is not None:
            mine = weight * (mine if row_P is None else mine[row_P])
            its = weight * (its if place_P is None else its[place_P])
        return self.user.meet(user, its, row_P, scale), self.item.meet(item, mine, place_P, scale)

    def _product(self, mine: Met, its: Met) -> Tensor:
        """Eq. 1-2."""
        ends = zip((mine, its), self.tops, self.bends, strict=True)
        user_PH, item_PH = (bend(top(self.dropout(met.last_PH))) for met, top, bend in ends)
        product_P: Tensor = (user_PH * item_PH).sum(-1)
        return product_P
