"""MAHN: what a person sees and reads in things, let through from one recurrence to the next by what came before.

Han, Niu, Wang: Multimodal-adaptive hierarchical network for multimedia sequential recommendation. Pattern Recognition
Letters 2021. v = W e_v, t = E e_t (eq. 3); h = LSTM(v + e + t) (4); v' = sigmoid((M h + b) * (N v + q)) * v, t' alike
(5); hh = LSTM(v' + h + t') (6), each + a concatenation or a sum; score = hh . [v, t, e] (8).

**Departs from the paper:** an item is scored with hh, the second layer: eq. 8 prints h, of the first, which does not
fit the item's width unless h is as wide, and then nothing learns the second (`scored: first` is that reading, a layer
less). h is as wide as one part, hh as the item, so that both sums and concatenations fit. Vectors are standardised over
the catalog and eq. 7 is a mean over their channels, where the sum over thousands would drown eq. 9; it is taken once
for each distinct item of the histories (so of all its targets but a window's last) and, under `bpr`, of the drawn
items; the shared items of `sampled` and the catalogue of the other softmaxes are not in it. It is over the views that
an item has. A view that is missing is a zero block in all of it. The whole recurrence learns at every position, in
steps of many rows (the paper: 5) and without the halving of the rate every 10 epochs. Any pooled vectors, not VGG16's
and BERT's alone. `objective` may be a softmax instead of the paper's `bpr`.
"""

from typing import Literal, final

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import Explainer, Factored, Learner, Weights
from engine.training.needs import Needs, Settings, View
from models.blocks.objective import DRAWN, SHARED, against
from models.blocks.pooled import Items, dimmed, spread
from models.blocks.shared_settings import Dim, Dropout, Length, Negatives, Shared

Join = Literal["concatenation", "sum"]
Objective = Literal["bpr", "full", "chunked", "sampled"]


class Config(Settings):
    """MAHN-V is `views: [text]`, MAHN-T `[image]`, MAHN-V-T `[]`; add-cat is `first: sum, second: concatenation`."""

    dim: Dim = 50
    length: Length = 50
    views: tuple[Literal["image", "text"], ...] = Field(("image", "text"), description="what is read beside the row")
    first: Join = Field("concatenation", description="how an item's parts are joined for the first layer")
    second: Join = Field("concatenation", description="how what passes the gates is joined for the second layer")
    gates: Literal["modulated", "open"] = Field("modulated", description="of eq. 5; open: all passes (alpha = 1)")
    scored: Literal["second", "first"] = Field("second", description="the layer whose states are scored")
    reconstruction: float = Field(1.0, ge=0, description="weight of eq. 7 beside the loss of the next item")
    dropout: Dropout = 0.0
    objective: Objective = Field("sampled", description="bpr over drawn items, or a softmax over the catalogue")
    negatives: Negatives = 1
    shared: Shared = 512

    @property
    def needs(self) -> Needs:
        return Needs(
            length=self.length,
            negatives=self.negatives if self.objective in DRAWN else 0,
            shared=self.shared if self.objective in SHARED else 0,
            views=frozenset[View](self.views),
        )


def build(config: Config, catalog: Catalog, users: int) -> "MAHN":
    """Two layers with a modulation of each view between them; one layer where that is scored."""
    items = Items(catalog, config.views, config.dim)
    gates = [Modulation(config.dim) if config.gates == "modulated" else Open() for _ in config.views]
    return MAHN(config, items, gates if config.scored == "second" else [])


class Modulation(nn.Module):
    """alpha of eq. 5."""

    def __init__(self, dim: int):
        super().__init__()
        self.history, self.view = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(self, state_BLD: Tensor, view_BLD: Tensor) -> Tensor:
        """alpha_BLD in (0, 1)."""
        return torch.sigmoid(self.history(state_BLD) * self.view(view_BLD))


class Open(nn.Module):
    """alpha = 1."""

    def forward(self, state_BLD: Tensor, view_BLD: Tensor) -> Tensor:
        """Ones."""
        return torch.ones_like(view_BLD)


@final
class MAHN(Learner, Factored, Explainer):
    """Parts of items are in the order of `views`, then the row; the gates need no recurrence of their own."""

    def __init__(self, config: Config, items: Items, gates: list[Modulation | Open]):
        super().__init__()
        self.config, self.items = config, items
        parts, dim = len(config.views) + 1, config.dim
        wide = parts * dim
        upper = config.scored == "second"
        self.first = nn.LSTM(wide if config.first == "concatenation" else dim, dim if upper else wide, batch_first=True)
        self.gates = nn.ModuleList(gates)
        self.second = (
            nn.LSTM(wide if config.second == "concatenation" else dim, wide, batch_first=True) if upper else None
        )
        self.dropout = nn.Dropout(config.dropout)

    @property
    def needs(self) -> Needs:
        return self.config.needs

    def states(self, batch: Batch) -> Tensor:
        """What is scored after each event, state_BLE, as wide as an item. One of presence 0 is a step too, on zeros."""
        return self._read(batch)[0]

    def _read(self, batch: Batch) -> tuple[Tensor, list[Tensor]]:
        """state_BLE, and the gates alpha_BLD of each view."""
        item_U, where_BL = torch.unique(batch.item_BL, return_inverse=True)
        part = [self.dropout(F.embedding(where_BL, part_UD)) for part_UD in self.items(item_U)[0]]
        *view, row_BLD = dimmed(batch, part, self.config.views)
        first_BLX, _ = self.first(_join(self.config.first, [*view, row_BLD]))
        if self.second is None:
            return self.dropout(first_BLX), []
        alpha = [gate(first_BLX, view_BLD) for gate, view_BLD in zip(self.gates, view, strict=True)]
        passed = [alpha_BLD * view_BLD for alpha_BLD, view_BLD in zip(alpha, view, strict=True)]
        return self.dropout(self.second(_join(self.config.second, [*passed, first_BLX]))[0]), alpha

    def loss(self, batch: Batch) -> Tensor:
        choice = against(self.config.objective, self.states(batch), self.keys, batch)
        return choice + self.config.reconstruction * self._reconstruction(batch)

    def _reconstruction(self, batch: Batch) -> Tensor:
        """Eq. 7, each distinct item once."""
        item_X = batch.item_BL.flatten()  # padding has no view to miss
        if batch.negative_BLK is not None and batch.target_BL is not None:
            item_X = torch.cat([item_X, batch.negative_BLK[batch.target_BL > 0].flatten()])
        item_U = torch.unique(item_X)
        (*view, row_UD), _ = self.items(item_U)
        code_UD = torch.stack(view).sum(0) if view else row_UD
        missed = [part.missed(item_U, code_UD) for part in self.items.views]  # type: ignore[operator]
        return torch.stack(missed).sum() if missed else row_UD.new_zeros(())

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        return torch.cat(self.items(item_U)[0], 1)

    def query(self, batch: Batch) -> Tensor:
        return batch.last(self.states(batch))

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        """The score in its parts picture, text and row, which sum to it; and how far the gates let each past view."""
        state_BLE, alpha = self._read(batch)
        part, there = self.items(item_B)
        state = batch.last(state_BLE).chunk(len(part), 1)
        score_BV = torch.stack([(s_BD * p_BD).sum(1) for s_BD, p_BD in zip(state, part, strict=True)], 1)
        views = self.config.views
        whole = Weights(spread(score_BV, views), "view", "signed", True, spread(torch.stack(there, 1), views), item_B)
        if not alpha or self.config.gates == "open":
            return [whole]
        seen = [view.present_N[batch.item_BL] for view in self.items.views]  # type: ignore[index]
        seen_BLV = spread(torch.stack([*seen, torch.zeros_like(seen[0])], -1), views)
        gate_BLV = torch.stack([*(alpha_BLD.mean(-1) for alpha_BLD in alpha), torch.zeros_like(alpha[0][..., 0])], -1)
        return [whole, Weights(spread(gate_BLV, views) * seen_BLV, "view", "gate", False, seen_BLV, batch.item_BL)]


def _join(how: Join, part: list[Tensor]) -> Tensor:
    return torch.cat(part, -1) if how == "concatenation" else torch.stack(part).sum(0)
