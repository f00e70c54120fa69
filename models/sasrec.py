"""SASRec: causal self-attention over the items a person acted on (Kang and McAuley, ICDM 2018).

x_t = drop(sqrt(D) E[i_t] + P[t]); `blocks` of attention and a feed-forward layer; score = LN(x_t) . E[i].

**Departs from the paper:** slots are counted from the first event of a row (rows are padded on the right), not from
the end of a row padded on the left. So the state after t events is the same whether later events follow, as in
training, or not, as in ranking, and one pass trains every prefix. Blocks are Pre-LN with an output projection
(`norm: pre`); the authors' code (LN on queries only, residual over it, no projection) is `norm: official`. The loss
is a softmax over the catalogue unless `objective: bce` (the paper's) is asked.
"""

from typing import Literal, final

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import Explainer, Factored, Learner, Weights
from engine.training.needs import Needs, Settings
from models.blocks.shared_settings import Dim, Dropout, Length, Negatives, Shared
from models.blocks.softmax import LOSSES

Objective = Literal["full", "chunked", "sampled", "bce"]


class Config(Settings):
    """The transformer and what it learns by."""

    dim: Dim = 64
    heads: int = Field(2, ge=1, description="attention heads; divides dim")
    blocks: int = Field(2, ge=1, description="blocks of attention and feed-forward layer")
    inner: int = Field(256, ge=1, description="width inside the feed-forward layer")
    length: Length = 50
    dropout: Dropout = 0.2
    norm: Literal["pre", "official"] = Field("pre", description="Pre-LN blocks, or those of the authors' code")
    objective: Objective = Field("chunked", description="full, chunked, sampled: softmax; bce: over negatives")
    shared: Shared = 2048
    negatives: Negatives = 1

    @model_validator(mode="after")
    def _divides(self) -> "Config":
        if self.dim % self.heads:
            raise ValueError(f"dim {self.dim} is not a multiple of heads {self.heads}")
        return self

    @property
    def needs(self) -> Needs:
        return Needs(
            length=self.length,
            shared=self.shared if self.objective == "sampled" else 0,
            negatives=self.negatives if self.objective == "bce" else 0,
        )


def build(config: Config, catalog: Catalog, users: int) -> "SASRec":
    """The encoder by `norm`; the embeddings are also the output."""
    return SASRec(config, catalog.items, [BLOCKS[config.norm](config) for _ in range(config.blocks)])


class Attention(nn.Module):
    """Several heads of causal attention, before any projection of what they give."""

    def __init__(self, dim: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query, self.value = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim, bias=False)  # a bias would move all weights alike: softmax does not see it

    def forward(self, query_BLD: Tensor, other_BLD: Tensor) -> Tensor:
        query, key = self._split(self.query(query_BLD)), self._split(self.key(other_BLD))
        value, dropout = self._split(self.value(other_BLD)), self.dropout * self.training
        mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, is_causal=True)
        mixed_BLD: Tensor = mixed.transpose(1, 2).flatten(2)
        return mixed_BLD

    def shares(self, query_BLD: Tensor, other_BLD: Tensor) -> Tensor:
        """The weights themselves, the mean over heads, share_BLL."""
        query, key = self._split(self.query(query_BLD)), self._split(self.key(other_BLD))
        logit = query @ key.transpose(2, 3) / query.shape[-1] ** 0.5
        later_LL = torch.ones(logit.shape[-2:], dtype=torch.bool, device=logit.device).triu(1)
        share_BLL: Tensor = logit.masked_fill(later_LL, -torch.inf).softmax(-1).mean(1)
        return share_BLL

    def _split(self, part_BLD: Tensor) -> Tensor:
        return part_BLD.view(*part_BLD.shape[:2], self.heads, -1).transpose(1, 2)


class PreNorm(nn.Module):
    """x + drop(A(LN x)), then the same around the feed-forward layer."""

    def __init__(self, config: Config):
        super().__init__()
        self.attention = Attention(config.dim, config.heads, config.dropout)
        self.projection = nn.Linear(config.dim, config.dim)
        self.before, self.between = nn.LayerNorm(config.dim), nn.LayerNorm(config.dim)
        self.feed = _feed(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, state_BLD: Tensor) -> Tensor:
        normed_BLD = self.before(state_BLD)
        state_BLD = state_BLD + self.dropout(self.projection(self.attention(normed_BLD, normed_BLD)))
        mixed_BLD: Tensor = state_BLD + self.feed(self.between(state_BLD))
        return mixed_BLD

    def shares(self, state_BLD: Tensor) -> Tensor:
        """share_BLL of each earlier state in each state."""
        normed_BLD = self.before(state_BLD)
        return self.attention.shares(normed_BLD, normed_BLD)


class Official(nn.Module):
    """The authors' block: q = LN x; y = A(q, x) + q; LN y + feed(LN y)."""

    def __init__(self, config: Config):
        super().__init__()
        self.attention = Attention(config.dim, config.heads, config.dropout)
        self.before, self.between = nn.LayerNorm(config.dim), nn.LayerNorm(config.dim)
        self.feed = _feed(config)

    def forward(self, state_BLD: Tensor) -> Tensor:
        normed_BLD = self.before(state_BLD)
        normed_BLD = self.between(self.attention(normed_BLD, state_BLD) + normed_BLD)
        mixed_BLD: Tensor = normed_BLD + self.feed(normed_BLD)
        return mixed_BLD

    def shares(self, state_BLD: Tensor) -> Tensor:
        """share_BLL of each earlier state in each state."""
        return self.attention.shares(self.before(state_BLD), state_BLD)


BLOCKS: dict[str, type[PreNorm] | type[Official]] = {"pre": PreNorm, "official": Official}


def _feed(config: Config) -> nn.Sequential:
    wide, narrow = nn.Linear(config.dim, config.inner), nn.Linear(config.inner, config.dim)
    return nn.Sequential(wide, nn.ReLU(), nn.Dropout(config.dropout), narrow, nn.Dropout(config.dropout))


@final
class SASRec(Learner, Factored, Explainer):
    """Attention is shown as it is, never as the reason: residuals carry what it does not weigh."""

    def __init__(self, config: Config, items: int, blocks: list[PreNorm | Official]):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(items + 1, config.dim, padding_idx=0)
        nn.init.trunc_normal_(self.embedding.weight[1:], std=0.02)
        self.slot_LD = nn.Parameter(torch.randn(config.length, config.dim) * 0.02 * max(config.dim / 64, 1) ** 0.5)
        self.blocks = nn.ModuleList(blocks)
        self.norm, self.dropout = nn.LayerNorm(config.dim), nn.Dropout(config.dropout)

    @property
    def needs(self) -> Needs:
        return self.config.needs

    def states(self, batch: Batch) -> Tensor:
        """The state after each event, state_BLD. One of presence 0 keeps its slot, and its share of attention."""
        state_BLD: Tensor = self.norm(self._through(batch, len(self.blocks)))
        return state_BLD

    def _through(self, batch: Batch, blocks: int) -> Tensor:
        item_BLD = batch.present(self.embedding(batch.item_BL) * self.config.dim**0.5)
        state_BLD: Tensor = self.dropout(item_BLD + self.slot_LD[: item_BLD.shape[1]])
        for block in self.blocks[:blocks]:
            state_BLD = block(state_BLD)
        return state_BLD

    def loss(self, batch: Batch) -> Tensor:
        if batch.target_BL is None:
            raise ValueError("a batch without targets has no loss")
        asked_BL = batch.target_BL > 0
        state_PD, target_P = self.states(batch)[asked_BL], batch.target_BL[asked_BL]
        if self.config.objective == "bce":
            return self._bce(state_PD, target_P, batch)
        return LOSSES[self.config.objective](state_PD, self.keys()[1:], target_P, batch)

    def _bce(self, state_PD: Tensor, target_P: Tensor, batch: Batch) -> Tensor:
        if batch.negative_BLK is None or batch.target_BL is None:
            raise ValueError("bce compares with drawn items; the batch has none")
        other_PKD = self.keys()[batch.negative_BLK[batch.target_BL > 0]]
        own_P = (state_PD * self.keys()[target_P]).sum(-1)
        other_PK = torch.einsum("pd,pkd->pk", state_PD, other_PKD)
        return (F.softplus(-own_P) + F.softplus(other_PK).sum(-1)).mean()

    def query(self, batch: Batch) -> Tensor:
        return batch.last(self.states(batch))

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        return self.embedding.weight if item_U is None else self.embedding(item_U)

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        """How much the last state attends to each event in the last block."""
        shares = self.blocks[-1].shares  # of either block
        share_BL = batch.last(shares(self._through(batch, len(self.blocks) - 1)))  # type: ignore[operator]
        return [Weights(share_BL, "history", "share", faithful=False, valid=batch.valid_BL)]
