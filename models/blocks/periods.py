"""Vectors of items and people period by period, from hypergraphs of who chose what in each (HyperRec, section 4)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.training.interactions import Interactions
from models.blocks.incidence import Incidence, Resized

SMALL = 0.02  # as items' own vectors start


class Mixing(nn.Module):
    """Parts [..., K, D] as one, by shares softmax(v . tanh(W x)) over those that are there."""

    def __init__(self, dim: int):
        super().__init__()
        self.dense, self.out = nn.Linear(dim, dim, bias=False), nn.Linear(dim, 1, bias=False)

    def forward(self, part_XKD: Tensor, there_XK: Tensor | None = None) -> Tensor:
        """mixed_XD."""
        logit_XK = self.out(torch.tanh(self.dense(part_XKD)))[..., 0]
        if there_XK is not None:
            logit_XK = logit_XK.masked_fill(~there_XK, -torch.inf)
        mixed_XD: Tensor = (logit_XK.softmax(-1)[..., None] * part_XKD).sum(-2)
        return mixed_XD


class Periods(Resized):
    """Periods of training events, about as many in each, numbered from 1; what comes after them is one more.

    In each the items of a person are a hyperedge. An item starts a period as a mixture of its own vector and the last
    that it had in an earlier one, and passes `layers` (without any it stays what it is) of
    ReLU(N(Dv^-1/2 H De^-1 H^T Dv^-1/2 X W)); a person is N(De^-1/2 H^T Dv^-1/2 X). N divides by the root of the mean
    square: means over long histories leave next to nothing of small vectors, period after period.
    """

    end_P: Tensor
    item_M: Tensor
    item_key_M: Tensor
    item_place_M: Tensor
    user_key_S: Tensor
    user_place_S: Tensor
    grown = ("item_M", "item_key_M", "item_place_M", "user_key_S", "user_place_S")

    def __init__(self, periods: int, dim: int, layers: int, dropout: float):
        super().__init__()
        self.register_buffer("end_P", torch.zeros(periods, dtype=torch.long))
        for name in self.grown:
            self.register_buffer(name, torch.zeros(0, dtype=torch.long))
        self.graphs = nn.ModuleList(Incidence() for _ in range(periods))
        self.mixing = nn.ModuleList(Mixing(dim) for _ in range(periods - 1 if layers else 0))
        self.layers = nn.ModuleList(nn.Linear(dim, dim, bias=False) for _ in range(layers))
        self.norms = nn.ModuleList(nn.RMSNorm(dim) for _ in range(layers + 1))  # the last is of people
        for norm in self.norms:
            nn.init.constant_(norm.weight, SMALL)  # type: ignore[arg-type]
        self.dropout = nn.Dropout(dropout)

    def of(self, time: Tensor) -> Tensor:
        """The period of moments, 1 to P + 1."""
        return torch.searchsorted(self.end_P, time.contiguous()) + 1

    def fill(self, train: Interactions, time_E: Tensor) -> None:
        """Set the periods and make their hypergraphs."""
        share_P = torch.arange(1, len(self.end_P) + 1, device=time_E.device) / len(self.end_P)
        self.end_P = time_E.sort()[0][(share_P * len(time_E)).round().long().clamp(min=1) - 1]
        self.link(train.item_E, train.user_E, self.of(time_E))

    def link(self, item_E: Tensor, user_E: Tensor, period_E: Tensor) -> None:
        """Make the hypergraphs of the periods, as they are, of some events."""
        item_first_P, item_E = self._number("item", item_E, period_E)
        user_first_P, user_E = self._number("user", user_E, period_E)
        for n, graph in enumerate(self.graphs):
            at_E = period_E == n + 1
            items, people = (int(first_P[n + 1] - first_P[n]) for first_P in (item_first_P, user_first_P))
            graph.fill(item_E[at_E] - item_first_P[n], user_E[at_E] - user_first_P[n], items, people)  # type: ignore[operator]

    def _number(self, who: str, code_E: Tensor, period_E: Tensor) -> tuple[Tensor, Tensor]:
        """Number whoever acts in a period, period by period; gives each period's first number and those of events."""
        base, apart = int(code_E.max()) + 1 if len(code_E) else 1, len(self.end_P) + 2
        number_M, of_E = torch.unique(period_E * base + code_E, return_inverse=True)
        code_M, period_M = number_M % base, number_M // base
        key_M = code_M * apart + period_M
        place_M = torch.argsort(key_M)
        if who == "item":
            self.item_M, self.item_key_M, self.item_place_M = code_M, key_M[place_M], place_M
        else:
            self.user_key_S, self.user_place_S = key_M[place_M], place_M
        return torch.searchsorted(period_M, torch.arange(1, len(self.end_P) + 2, device=code_E.device)), of_E

    def forward(self, static_ND: Tensor) -> tuple[Tensor, Tensor]:
        """Each item in each of its periods dynamic_MD, and each person intent_SD, from the items' own vectors."""
        last_ND, dynamic, intent, first = static_ND, [], [], 0
        for n, graph in enumerate(self.graphs):
            item_X = self.item_M[first : first + len(graph.degrees)]  # type: ignore[arg-type]
            first += len(item_X)
            own_XD = F.embedding(item_X, static_ND)
            if n and self.layers:
                own_XD = self.mixing[n - 1](torch.stack([own_XD, F.embedding(item_X, last_ND)], 1))
            item_XD, user_XD = self._convolved(graph, own_XD)  # type: ignore[arg-type]
            last_ND = last_ND.index_copy(0, item_X, item_XD)
            dynamic.append(item_XD)
            intent.append(user_XD)
        return torch.cat(dynamic), torch.cat(intent)

    def _convolved(self, graph: Incidence, item_XD: Tensor) -> tuple[Tensor, Tensor]:
        by_item_X1, by_size_S1 = (n.to(item_XD.dtype).rsqrt()[:, None] for n in (graph.degrees, graph.sizes))
        for place, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=False)):
            given_XD = self.dropout(item_XD) if place else item_XD
            edge_SD = graph.over_members(by_item_X1 * given_XD) * by_size_S1**2
            made_XD = layer(by_item_X1 * graph.over_sets(edge_SD))
            item_XD = F.relu(norm(made_XD.to(item_XD.dtype)))
        return item_XD, self.norms[-1](graph.over_members(by_item_X1 * self.dropout(item_XD)) * by_size_S1)

    def item(self, item: Tensor, period: Tensor) -> tuple[Tensor, Tensor]:
        """Where in dynamic_MD items are as they last were in a period (0 to P + 1) or before, and whether they are."""
        return self._latest(self.item_key_M, self.item_place_M, item, period)

    def person(self, user: Tensor, period: Tensor) -> tuple[Tensor, Tensor]:
        """Where in intent_SD people are, likewise."""
        return self._latest(self.user_key_S, self.user_place_S, user, period)

    def _latest(self, key_M: Tensor, place_M: Tensor, code: Tensor, period: Tensor) -> tuple[Tensor, Tensor]:
        apart = len(self.end_P) + 2
        if not len(key_M):
            return torch.zeros_like(code + period), torch.zeros_like(code + period).bool()
        at = torch.searchsorted(key_M, (code * apart + period).contiguous(), right=True) - 1
        found = (at >= 0) & (key_M[at] // apart == code)
        return place_M[at] * found, found
