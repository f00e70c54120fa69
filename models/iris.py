"""Multimodal IRIS: item similarity weighed by how the pictures and texts of target and history meet.

Lv, Song, Guo, Du, Guizani: Interest-related item similarity model based on multimodal data. IEEE Access 2019.

v1 = f(V1 v0 + c1), v2 = f(V2 v1 + c2); t2 = f(T2 t1 + c), t1 = t0; l_ij = h . f(W1 v2_i + W2 v2_j + W3 t2_i + W4 t2_j
+ b) (eq. 4, 6); with `fusion: shared` v2 = g(W_i2i v1 + W_share t1), t2 = g(W_t2t t1 + W_share v1) (eq. 7-8); score =
n^-alpha sum a_ij p_i . q_j with the weights of `blocks/history.py` (eq. 5). One kernel, three front ends: the sums over
views are made once an item, in two tables.

**Departs from the paper:** signs of eq. 10 and 12 are as they must be; P and Q have a row an item. With `fusion:
shared` v1 is as wide as t1, else one W_share could not take both (with the paper's BERT that is its 768). f is ReLU, g
a sigmoid (`unit`), h as wide as the factors: the paper leaves them open. Zeros for a missing view are not neutral by
themselves (c1, and g(0) = 1/2, remain, and W_share carries them over): here they are, by a flag after each layer
(`missing: neutral`; `zeros` is the paper's). n counts the history without the target. Given vectors are standardised
over the catalogue (`standard`). There is no item bias in eq. 5 (`item_bias`). The log loss is a mean over positives,
each with its `negatives` (the paper's K, which it does not print); eq. 12's penalties are added to it.
The paper's history of a training item is all else that the user chose, before or after: `history: others`, meant for
the protocol `random_one`; a user with more than `window` events is read in windows. `history: before` learns from the
newest `length` before a target, as it is ranked where time matters; they say most, and `length` is short by default.
Ranking always reads what the case holds, less the target. `recency` is ours: l_ij gains an r learnt for each place of i
from the newest, 0 at first.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, final

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from engine.tables.settings import Record
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import CatalogScorer, Explainer, Learner, Weights
from engine.training.needs import Needs, View
from models.blocks import every_item, history
from models.blocks.asked import Asked, History
from models.blocks.shared_settings import Dim
from models.blocks.views import Given, ImageLayers, SharedUnit, TextLayer

VIEWS: dict[str, tuple[View, ...]] = {
    "image": ("image",),
    "text": ("text",),
    "added": ("image", "text"),
    "shared": ("image", "text"),
}


class Penalty(Record):
    """Eq. 12's weights of sums of squares."""

    factors: float = Field(1e-7, ge=0, description="of P and Q")
    relevance: float = Field(1e-5, ge=0, description="of W1 to W4")
    views: float = Field(1e-5, ge=0, description="of W_i2i and W_t2t")
    shared: float = Field(1e-5, ge=0, description="of W_share")


class Config(History):
    """Image IRIS is `fusion: image`, Image-add-Text `added`, Multimodal `shared`."""

    dim: Dim = 64
    hidden: int = Field(768, ge=1, description="width of v1, unless fusion: shared, where the texts give it")
    fusion: Literal["image", "text", "added", "shared"] = Field("shared", description="views, and how they are joined")
    alpha: float = Field(0.0, ge=0, description="exponent of the history's size in eq. 5")
    beta: float = Field(0.8, ge=0, le=1, description="exponent of the softmax's denominator")
    unit: Literal["sigmoid", "tanh", "relu"] = Field("sigmoid", description="g of eq. 7 and 8")
    missing: Literal["neutral", "zeros"] = Field(
        "neutral", description="an item without a view: left out, or read as 0"
    )
    standard: bool = Field(True, description="whether given vectors are standardised over the catalogue")
    item_bias: bool = Field(False, description="whether eq. 5 has a bias an item")
    penalty: Penalty = Field(Penalty(), description="of eq. 12")

    @property
    def views(self) -> frozenset[View]:
        return frozenset(VIEWS[self.fusion])


def build(config: Config, catalog: Catalog, users: int) -> "IRIS":
    """The layers of the views that the settings name."""
    given = [Given(catalog, view, config.standard, config.missing == "neutral") for view in VIEWS[config.fusion]]
    layers: nn.Module
    if config.fusion == "shared":
        layers = SharedUnit(given[0], given[1], config.dim, config.unit)
    else:
        layers = nn.ModuleList(
            ImageLayers(each, config.hidden, config.dim) if each.view == "image" else TextLayer(each, config.dim)
            for each in given
        )
    return IRIS(config, layers, catalog.items)


@final
class IRIS(Learner, CatalogScorer, Explainer):
    """Features decide how much each past item matters, factors what it says of the target."""

    def __init__(self, config: Config, layers: nn.Module, items: int):
        super().__init__()
        self.config = config
        dim, views = config.dim, len(VIEWS[config.fusion])
        self.past_ND, self.target_ND = (nn.Parameter(torch.randn(items + 1, dim) * 0.01) for _ in range(2))
        self.bias_N = nn.Parameter(torch.zeros(items + 1)) if config.item_bias else None
        self.recency_P = nn.Parameter(torch.zeros(config.length)) if config.recency else None
        self.layers = layers
        self.past = nn.ModuleList(nn.Linear(dim, dim, bias=False) for _ in range(views))  # W1, W3
        self.target = nn.ModuleList(nn.Linear(dim, dim, bias=False) for _ in range(views))  # W2, W4
        self.shift_A = nn.Parameter(torch.zeros(dim))
        self.out_A = nn.Parameter(nn.init.xavier_uniform_(torch.empty(1, dim))[0])
        for dense in (m for m in self.modules() if isinstance(m, nn.Linear)):
            nn.init.xavier_uniform_(dense.weight)
            if dense.bias is not None:
                nn.init.zeros_(dense.bias)

    @property
    def needs(self) -> Needs:
        return self.config.needs

    def views(self, item_U: Tensor, presence: Mapping[View, Tensor] | None = None) -> list[Tensor]:
        """v2 and t2 of some items, each [U, D] and zero where it is missing; `presence` [U] of each view."""
        if not isinstance(self.layers, nn.ModuleList):
            both: list[Tensor] = self.layers(item_U, presence)
            return both
        found = [layer(item_U) for layer in self.layers]
        names, there = VIEWS[self.config.fusion], presence or {}
        return [v * there[name][:, None] if name in there else v for v, name in zip(found, names, strict=True)]

    def halves(self, item_U: Tensor, presence: Mapping[View, Tensor] | None = None) -> history.Halves:
        """W1 v2 + W3 t2 and W2 v2 + W4 t2 + b of some items."""
        view_VUD = self.views(item_U, presence)
        past_UA = sum((dense(v) for dense, v in zip(self.past, view_VUD, strict=True)), torch.zeros(()))
        target_UA = sum((dense(v) for dense, v in zip(self.target, view_VUD, strict=True)), self.shift_A)
        return history.Halves(past_UA.to(self.out_A.dtype), target_UA.to(self.out_A.dtype), self.out_A)

    def loss(self, batch: Batch) -> Tensor:
        asked, label_BT = Asked.learnt(batch, self.config)
        # each item of the batch is refined once; number 0 stays padding
        item_U, place = torch.unique(
            torch.cat([asked.item_BL.new_zeros(1), asked.item_BL.flatten(), asked.target_BT.flatten()]),
            return_inverse=True,
        )
        item_BL, target_BT = place[1 : asked.item_BL.numel() + 1], place[asked.item_BL.numel() + 1 :]
        some = replace(
            asked,
            item_BL=item_BL.view_as(asked.item_BL),
            target_BT=target_BT.view_as(asked.target_BT),
            past_BLA=self._past(batch),
        )
        choice = history.log_loss(self._items(item_U), some, label_BT, self.config.alpha, self.config.beta)
        return choice + self._penalty()

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        item_N = torch.arange(len(self.past_ND), device=item_BK.device)
        asked = Asked.after(batch, item_BK, self._past(batch))
        return history.scores(self._items(item_N), asked, self.config.alpha, self.config.beta)

    def score_all(self, batch: Batch) -> Tensor:
        item_N = torch.arange(len(self.past_ND), device=batch.user_B.device)
        asked = Asked.after(batch, batch.item_BL, self._past(batch))
        return every_item.scores(self._items(item_N), asked, self.config.alpha, self.config.beta)

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        """What each event adds to the score, and its interest relevance a_ij over their sum."""
        item_N = torch.arange(len(self.past_ND), device=item_B.device)
        asked = Asked.after(batch, item_B[:, None], self._past(batch))
        return history.reasons(self._items(item_N), asked, self.config.alpha, self.config.beta)

    def _past(self, batch: Batch) -> Tensor | None:
        """W1 v2 + W3 t2 of each event, where its views have a presence."""
        if not batch.part_presence:
            return None
        presence = {view: presence_BL.flatten() for view, presence_BL in batch.part_presence.items()}
        return self.halves(batch.item_BL.flatten(), presence).past_NA.view(*batch.item_BL.shape, -1)

    def _items(self, item_U: Tensor) -> history.Items:
        past_UD, target_UD = F.embedding(item_U, self.past_ND), F.embedding(item_U, self.target_ND)
        bias_U = None if self.bias_N is None else self.bias_N[item_U]
        return history.Items(past_UD, target_UD, self.halves(item_U), bias_U, self.recency_P)

    def _penalty(self) -> Tensor:
        by = self.config.penalty
        dense = [*self.past.parameters(), *self.target.parameters()]
        total = by.factors * (self.past_ND.square().sum() + self.target_ND.square().sum())
        total = total + by.relevance * sum(w.square().sum() for w in dense)
        if isinstance(self.layers, SharedUnit):
            total = total + by.views * sum(w.square().sum() for w in self.layers.own())
            total = total + by.shared * self.layers.common.weight.square().sum()
        return total
