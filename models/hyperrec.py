"""HyperRec: what an item is to people changes from period to period, and hypergraphs of each period say how.

Wang, Ding, Hong, Liu, Caverlee: Next-item recommendation with sequential hypergraphs. SIGIR 2020. Each period's
hypergraph gives items and people vectors (`blocks/periods.py`). An event enters as a mixture of its item in its period,
of its item's own vector, and of the person in that period; causal self-attention reads the row; score = o . (E[i] +
the last dynamic vector of i before the period that is asked about).

**Departs from the paper:** nothing of a period that a target lies in is used: such an event enters with what its item
and the person were in earlier periods (the authors' guard). Here each row is read in two streams, one where an event's
own period is over and one where it is not, so that one pass trains every position exactly so; the paper trains the last
alone. Periods hold about as many events each, and their number is set, not their length. A row is asked at a moment,
and later items of a history do count (the authors' test leaves the validation item out). Convolutions share their
weights over periods, mixtures of items do not. No BPR pre-training, no clipping of vectors, no dropout of mixtures'
shares; what a convolution gives is divided by its root mean square (`blocks/periods.py`). One layer, not two, is the
default: after two, people who act on a hundred things in a sitting leave all of these alike. Slots count from the first
event, blocks are Pre-LN, as in sasrec. A softmax unless `objective: bce`.
"""

from functools import partial
from typing import Literal, final

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from engine.tables.lacking import Lacking
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import CatalogScorer, Explainer, Prepared, Weights
from engine.training.interactions import Interactions
from engine.training.needs import Needs, Settings
from models.blocks.objective import DRAWN, SHARED, against
from models.blocks.periods import Mixing, Periods
from models.blocks.shared_settings import Dim, Dropout, Length, Negatives, Shared
from models.blocks.streams import Streams


class Config(Settings):
    """The hypergraphs, the transformer and what they learn by."""

    dim: Dim = 64
    length: Length = 50
    periods: int = Field(8, ge=1, description="periods of training, each with about as many events")
    layers: int = Field(1, ge=0, description="convolutions in a period; 0: items stay what they are in all of them")
    heads: int = Field(1, ge=1, description="attention heads; divides dim")
    blocks: int = Field(2, ge=1, description="blocks of attention and feed-forward layer")
    inner: int = Field(256, ge=1, description="width inside the feed-forward layer")
    dropout: Dropout = 0.2
    graph_dropout: float = Field(0.2, ge=0, lt=1, description="share of values dropped between convolutions")
    objective: Literal["bce", "full", "chunked", "sampled"] = Field("sampled", description="bce, or a softmax")
    negatives: Negatives = 1
    shared: Shared = 512

    @model_validator(mode="after")
    def _divides(self) -> "Config":
        if self.dim % self.heads:
            raise ValueError(f"dim {self.dim} is not a multiple of heads {self.heads}")
        return self

    @property
    def needs(self) -> Needs:
        return Needs(
            length=self.length,
            times=True,
            now=True,
            negatives=self.negatives if self.objective in DRAWN else 0,
            shared=self.shared if self.objective in SHARED else 0,
        )


def build(config: Config, catalog: Catalog, users: int) -> "HyperRec":
    """Without hyperedges, until it is prepared."""
    return HyperRec(config, catalog.items)


@final
class HyperRec(Prepared, CatalogScorer, Explainer):
    """Attention is shown as it is, never as the reason: residuals carry what it does not weigh."""

    def __init__(self, config: Config, items: int):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(items + 1, config.dim, padding_idx=0)
        nn.init.trunc_normal_(self.embedding.weight[1:], std=0.02)
        self.periods = Periods(config.periods, config.dim, config.layers, config.graph_dropout)
        self.mixing = Mixing(config.dim)
        self.streams = Streams(config.dim, config.heads, config.blocks, config.inner, config.length, config.dropout)

    @property
    def needs(self) -> Needs:
        return self.config.needs

    def prepare(self, train: Interactions) -> None:
        if train.time_E is None:
            raise Lacking("periods are made of times, and these events have none: choose another model or data")
        self.periods.fill(train, train.time_E)

    def _vectors(self) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = self.periods(self.embedding.weight)
        return found

    def _items(self, item: Tensor, period: Tensor, dynamic_MD: Tensor) -> Tensor:
        """Items as they were last in a period or before; their own vectors where they were in none."""
        place, found = self.periods.item(item, period)
        own: Tensor = self.embedding(item)
        return torch.where(found[..., None], F.embedding(place, dynamic_MD), own) if len(dynamic_MD) else own

    def _events(self, batch: Batch, period_BL: Tensor, vectors: tuple[Tensor, Tensor]) -> Tensor:
        """x_BLD, as known at the end of some periods. One of presence 0 keeps its slot, and its share of attention."""
        dynamic_MD, intent_SD = vectors
        own_BLD = self.embedding(batch.item_BL)
        place_BL, found_BL = self.periods.person(batch.user_B[:, None], period_BL)
        user_BLD = F.embedding(place_BL, intent_SD) if len(intent_SD) else torch.zeros_like(own_BLD)
        part = torch.stack([self._items(batch.item_BL, period_BL, dynamic_MD), own_BLD, user_BLD], 2)
        there = torch.stack([torch.ones_like(found_BL), torch.ones_like(found_BL), found_BL], 2)
        return batch.present(self.mixing(part, there) * self.config.dim**0.5)

    def _read(self, batch: Batch, vectors: tuple[Tensor, Tensor], shares: bool = False) -> tuple[Tensor, Tensor]:
        """The state after each event (or its shares of attention), and the period asked_BL that it is for."""
        if batch.now_B is None or batch.time_BL is None:
            raise ValueError("periods are told by times, and rows are asked at moments; the batch has none")
        last_BL = torch.arange(batch.item_BL.shape[1], device=batch.item_BL.device) >= batch.length_B[:, None] - 1
        period_BL = self.periods.of(batch.time_BL)
        asked_BL = self.periods.of(torch.where(last_BL, batch.now_B[:, None], batch.time_BL.roll(-1, 1)))
        over_BLD, open_BLD = (self._events(batch, period, vectors) for period in (period_BL, period_BL - 1))
        read = self.streams.shares if shares else self.streams
        return read(over_BLD, open_BLD, period_BL, asked_BL > period_BL), asked_BL

    def loss(self, batch: Batch) -> Tensor:
        if batch.target_BL is None:
            raise ValueError("a batch without targets has no loss")
        vectors = self._vectors()
        state_BLD, asked_BL = self._read(batch, vectors)
        total, targets = state_BLD.new_zeros(()), int((batch.target_BL > 0).sum())
        for period in torch.unique(asked_BL[batch.target_BL > 0]).tolist():
            target_BL = batch.target_BL * (asked_BL == period)
            key = partial(self._keys, period, vectors[0])
            one = against(self.config.objective, state_BLD, key, batch.but(target_BL=target_BL))
            total = total + one * ((target_BL > 0).sum() / targets)
        return total

    def _keys(self, period: int, dynamic_MD: Tensor, item_U: Tensor | None) -> Tensor:
        """What some items, or all, are scored with in a period: their own vectors and what they were before it."""
        item_U = torch.arange(len(self.embedding.weight), device=dynamic_MD.device) if item_U is None else item_U
        return self._scored(item_U, torch.full_like(item_U, period), dynamic_MD)

    def _scored(self, item: Tensor, asked: Tensor, dynamic_MD: Tensor) -> Tensor:
        key: Tensor = self.embedding(item) + self._items(item, asked - 1, dynamic_MD)
        return key

    def _asked(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """The state after each row's last event, the period that it is asked in, and what items were."""
        vectors = self._vectors()
        state_BLD, _ = self._read(batch, vectors)
        assert batch.now_B is not None
        return batch.last(state_BLD), self.periods.of(batch.now_B), vectors[0]

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        query_BD, asked_B, dynamic_MD = self._asked(batch)
        return torch.einsum("bd,bkd->bk", query_BD, self._scored(item_BK, asked_B[:, None], dynamic_MD))

    def score_all(self, batch: Batch) -> Tensor:
        query_BD, asked_B, dynamic_MD = self._asked(batch)
        score_BN = query_BD.new_zeros(len(query_BD), len(self.embedding.weight))
        for period in torch.unique(asked_B).tolist():
            row_R = (asked_B == period).nonzero()[:, 0]
            score_BN = score_BN.index_copy(0, row_R, query_BD[row_R] @ self._keys(period, dynamic_MD, None).T)
        return score_BN

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        """How much the last state attends to each event in the last block."""
        share_BL = batch.last(self._read(batch, self._vectors(), shares=True)[0])
        return [Weights(share_BL * batch.valid_BL, "history", "share", faithful=False, valid=batch.valid_BL)]
