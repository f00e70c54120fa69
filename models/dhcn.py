"""DHCN and S2-DHCN: items that met in the same histories lend each other their vectors.

Xia, Yin, Yu, Wang, Cui, Zhang: Self-supervised hypergraph convolutional networks for session-based recommendation.
AAAI 2021. X_0 = E, X_(l+1) = D^-1 H B^-1 H^T X_l over the hypergraph H of training histories, X their mean over the
layers; after event t, with x_j = X[i_j], p_k the vector of the k-th last event and s the mean of x_1 … x_t:
a_j = q . sigmoid(W2 tanh(W1 [p, x_j] + b1) + b2 + W3 s), theta = sum_j a_j x_j, score = theta . X[i], softmax. S2-DHCN
(`contrast` > 0) joins the rows of a batch by how many items they share (Jaccard, D^-1 (A + I)), averages their mean
rows of E over `layers` of it, and asks theta to know its own average from that of a shuffled theta.

**Departs from the paper:** a hyperedge is a person's last `length` training events, the `length` before them, and so
on, not one a prefix: as a sample's longer sibling holds its label. The paper's sessions are short: over a history of
hundreds a mean tells nothing of any item. What validation and test hold is in no edge. Every position of a window is a
target in one pass, as if each prefix were a row; the contrast is of whole rows alone. It is a mean over rows: the
code's sum makes its weight hang on the batch (their beta .01 at 100 rows is `contrast: 1`). The averages do not learn
(`detached`), as in the code, which passes them through numpy; false is the paper as it is written. `positions: false`
leaves p out, as the code does for Tmall. Products are taken as means over an edge's items, then over an item's edges:
their matrix, which is dense with long histories, is never made. There is a dropout.
"""

from typing import Literal, final

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import Explainer, Factored, Prepared, Weights
from engine.training.interactions import Interactions
from engine.training.needs import Needs, Settings
from models.blocks.incidence import Incidence
from models.blocks.shared_settings import Dim, Dropout, Length, Shared
from models.blocks.softmax import LOSSES


class Config(Settings):
    """DHCN is `contrast: 0`; attention over plain embeddings is `layers: 0`."""

    dim: Dim = 64
    layers: int = Field(3, ge=0, description="convolutions over the hypergraph, and over the graph of rows")
    length: Length = 50
    positions: bool = Field(True, description="whether an event's weight hangs on how long ago it was")
    contrast: float = Field(0.1, ge=0, description="weight of the contrast with the graph of rows; 0: DHCN")
    detached: bool = Field(True, description="whether the graph of rows only teaches, as in the authors' code")
    dropout: Dropout = 0.2
    objective: Literal["full", "chunked", "sampled"] = Field("chunked", description="softmax over all, or `shared`")
    shared: Shared = 2048

    @property
    def needs(self) -> Needs:
        return Needs(length=self.length, shared=self.shared if self.objective == "sampled" else 0)


def build(config: Config, catalog: Catalog, users: int) -> "DHCN":
    """Without edges, until it is prepared."""
    return DHCN(config, catalog.items, users)


@final
class DHCN(Prepared, Factored, Explainer):
    """`graph`: items by stretches of people's histories."""

    def __init__(self, config: Config, items: int, users: int):
        super().__init__()
        self.config = config
        dim = config.dim
        self.embedding = nn.Embedding(items + 1, dim, padding_idx=0)
        nn.init.normal_(self.embedding.weight[1:], std=dim**-0.5)
        self.graph = Incidence(items + 1, users + 1)
        self.own, self.place = nn.Linear(dim, dim), None  # W1, in its two halves
        if config.positions:
            self.place = nn.Linear(dim, dim, bias=False)
            self.slot_LD = nn.Parameter(torch.randn(config.length, dim) * dim**-0.5 / (config.layers + 1))
        self.met, self.mean = nn.Linear(dim, dim), nn.Linear(dim, dim, bias=False)  # W2, W3
        self.out = nn.Linear(dim, 1, bias=False)
        self.dropout = nn.Dropout(config.dropout)

    @property
    def needs(self) -> Needs:
        return self.config.needs

    def prepare(self, train: Interactions) -> None:
        length, count_U = self.config.length, train.offset_U.diff()
        edges_U = (count_U + length - 1) // length
        after_E = train.offset_U[train.user_E + 1] - 1 - torch.arange(len(train), device=train.item_E.device)
        edge_E = (edges_U.cumsum(0) - edges_U)[train.user_E] + after_E // length
        self.graph.fill(train.item_E, edge_E, len(self.graph.degrees), int(edges_U.sum()))

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        """X of some items, or of all. One that is in no edge has its own vector alone, in the first of the layers."""
        size_S1, degree_N1 = (n.clamp(min=1)[:, None] for n in (self.graph.sizes, self.graph.degrees))
        layer_ND = total_ND = self.embedding.weight
        for _ in range(self.config.layers):
            layer_ND = self.graph.over_sets(self.graph.over_members(layer_ND) / size_S1) / degree_N1
            total_ND = total_ND + layer_ND
        item_ND = total_ND / (self.config.layers + 1)
        return item_ND if item_U is None else item_ND[item_U]

    def _events(self, batch: Batch, item_ND: Tensor) -> Tensor:
        """x_BLD. One of presence 0 keeps its place and counts in means, as zeros."""
        return batch.present(self.dropout(F.embedding(batch.item_BL, item_ND)) * batch.valid_BL[..., None])

    def _weights(self, x_BLD: Tensor, mean_BTD: Tensor, ago_XTL: Tensor) -> Tensor:
        """a_BTL of events that lie `ago` events before each of T places; 0 for what is after (ago < 0)."""
        met_BTLD = self.own(x_BLD)[:, None]
        if self.place is not None:
            met_BTLD = met_BTLD + F.embedding(ago_XTL.clamp(min=0), self.place(self.slot_LD))
        gate_BTLD = torch.sigmoid(self.met(torch.tanh(met_BTLD)) + self.mean(mean_BTD)[:, :, None])
        weight_BTL: Tensor = self.out(gate_BTLD)[..., 0] * (ago_XTL >= 0)
        return weight_BTL

    def states(self, batch: Batch, item_ND: Tensor) -> Tensor:
        """theta after each event, state_BLD."""
        x_BLD = self._events(batch, item_ND)
        step_L = torch.arange(x_BLD.shape[1], device=x_BLD.device)
        mean_BLD = x_BLD.cumsum(1) / (step_L + 1)[:, None]
        return self._weights(x_BLD, mean_BLD, (step_L[:, None] - step_L)[None]) @ x_BLD

    def _last(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """What each event adds to the last theta is its weight_BL times x_BLD."""
        x_BLD = self._events(batch, self.keys())
        mean_BD = x_BLD.sum(1) / batch.length_B.clamp(min=1)[:, None]
        step_L = torch.arange(x_BLD.shape[1], device=x_BLD.device)
        ago_BL = batch.length_B[:, None] - 1 - step_L
        return self._weights(x_BLD, mean_BD[:, None], ago_BL[:, None])[:, 0], x_BLD

    def query(self, batch: Batch) -> Tensor:
        weight_BL, x_BLD = self._last(batch)
        return torch.einsum("bl,bld->bd", weight_BL, x_BLD)

    def loss(self, batch: Batch) -> Tensor:
        if batch.target_BL is None:
            raise ValueError("a batch without targets has no loss")
        item_ND, asked_BL = self.keys(), batch.target_BL > 0
        state_BLD = self.states(batch, item_ND)
        state_PD = self.dropout(state_BLD[asked_BL])
        choice = LOSSES[self.config.objective](state_PD, item_ND[1:], batch.target_BL[asked_BL], batch)
        return choice + self.config.contrast * self._contrast(batch, state_BLD) if self.config.contrast else choice

    def _contrast(self, batch: Batch, state_BLD: Tensor) -> Tensor:
        """The mean over rows of softplus(-theta . own average) + softplus(shuffled theta . own average)."""
        theta_BD, line_BD = batch.last(state_BLD), self._line(batch)
        shuffled_BD = theta_BD[self._order(len(theta_BD))][:, self._order(theta_BD.shape[1])]
        own_B, false_B = (theta_BD * line_BD).sum(1), (shuffled_BD * line_BD).sum(1)
        return (F.softplus(-own_B) + F.softplus(false_B)).mean()

    def _line(self, batch: Batch) -> Tensor:
        """Each row's mean of E, averaged over rows that share items with it, line_BD."""
        own_ND = self.embedding.weight.detach() if self.config.detached else self.embedding.weight
        layer_BD = (F.embedding(batch.item_BL, own_ND) * batch.valid_BL[..., None]).sum(1)
        layer_BD = total_BD = layer_BD / batch.length_B.clamp(min=1)[:, None]
        share_BB = F.normalize(alike(batch.item_BL).to(own_ND.dtype), p=1, dim=1)
        for _ in range(self.config.layers):
            layer_BD = share_BB @ layer_BD
            total_BD = total_BD + layer_BD
        return total_BD / (self.config.layers + 1)

    def _order(self, count: int) -> Tensor:
        return torch.randperm(count, device=self.embedding.weight.device)

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        """What each event adds to the score, a_j x_j . X[i]: they sum to it."""
        weight_BL, x_BLD = self._last(batch)
        added_BL = weight_BL * torch.einsum("bld,bd->bl", x_BLD, self.keys(item_B))
        return [Weights(added_BL * batch.valid_BL, "history", "signed", True, batch.valid_BL)]


def alike(item_BL: Tensor) -> Tensor:
    """The share of common items among all of two rows', by distinct items; 1 of a row with itself, alike_BB."""
    item_U, place_BL = torch.unique(item_BL, return_inverse=True)
    has_BU = torch.zeros(len(item_BL), len(item_U), device=item_BL.device).scatter_(1, place_BL, 1.0)
    has_BU = has_BU * (item_U > 0)
    both_BB, size_B = has_BU @ has_BU.T, has_BU.sum(1)
    alike_BB: Tensor = both_BB / (size_B[:, None] + size_B - both_BB).clamp(min=1)
    return alike_BB.fill_diagonal_(1.0)
