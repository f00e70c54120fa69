"""Blocks of self-attention and a feed-forward layer, over what came before (causal) or over all events of a row."""

from collections.abc import Callable

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from engine.training.needs import Settings
from models.blocks.shared_settings import Dim, Dropout, Length


class Layers(Settings):
    """How wide, how deep and how long."""

    dim: Dim = 64
    heads: int = Field(2, ge=1, description="attention heads; divides dim")
    blocks: int = Field(2, ge=1, description="blocks of attention and feed-forward layer")
    inner: int = Field(256, ge=1, description="width inside the feed-forward layer")
    length: Length = 50
    dropout: Dropout = 0.2

    @model_validator(mode="after")
    def _divides(self) -> "Layers":
        if self.dim % self.heads:
            raise ValueError(f"dim {self.dim} is not a multiple of heads {self.heads}")
        return self


class Attention(nn.Module):
    """Several heads of attention, before any projection of what they give."""

    def __init__(self, dim: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query, self.value = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim, bias=False)  # a bias would move all weights alike: softmax does not see it

    def forward(self, query_BLD: Tensor, other_BLD: Tensor, valid_BL: Tensor | None = None) -> Tensor:
        """mixed_BLD, over what is not later; with `valid_BL` over all that is valid."""
        query, key = self._split(self.query(query_BLD)), self._split(self.key(other_BLD))
        value, dropout = self._split(self.value(other_BLD)), self.dropout * self.training
        mask = None if valid_BL is None else valid_BL[:, None, None]
        mixed = F.scaled_dot_product_attention(query, key, value, mask, dropout, is_causal=mask is None)
        mixed_BLD: Tensor = mixed.transpose(1, 2).flatten(2)
        return mixed_BLD

    def shares(self, query_BLD: Tensor, other_BLD: Tensor, valid_BL: Tensor | None = None) -> Tensor:
        """The weights themselves, the mean over heads, share_BLL."""
        query, key = self._split(self.query(query_BLD)), self._split(self.key(other_BLD))
        logit = query @ key.transpose(2, 3) / query.shape[-1] ** 0.5
        later_LL = torch.ones(logit.shape[-2:], dtype=torch.bool, device=logit.device).triu(1)
        hidden = later_LL if valid_BL is None else ~valid_BL[:, None, None]
        share_BLL: Tensor = logit.masked_fill(hidden, -torch.inf).softmax(-1).mean(1)
        return share_BLL

    def _split(self, part_BLD: Tensor) -> Tensor:
        wide = part_BLD.shape[-1] // self.heads
        return part_BLD.reshape(*part_BLD.shape[:-1], self.heads, wide).transpose(1, 2)


class PreNorm(nn.Module):
    """x + drop(A(LN x)), then the same around the feed-forward layer."""

    def __init__(self, layers: Layers):
        super().__init__()
        self.attention = Attention(layers.dim, layers.heads, layers.dropout)
        self.projection = nn.Linear(layers.dim, layers.dim)
        self.before, self.between = nn.LayerNorm(layers.dim), nn.LayerNorm(layers.dim)
        self.feed = _feed(layers, nn.ReLU)
        self.dropout = nn.Dropout(layers.dropout)

    def forward(self, state_BLD: Tensor, valid_BL: Tensor | None = None) -> Tensor:
        normed_BLD = self.before(state_BLD)
        state_BLD = state_BLD + self.dropout(self.projection(self.attention(normed_BLD, normed_BLD, valid_BL)))
        mixed_BLD: Tensor = state_BLD + self.feed(self.between(state_BLD))
        return mixed_BLD

    def shares(self, state_BLD: Tensor, valid_BL: Tensor | None = None) -> Tensor:
        """share_BLL of each state in each state."""
        normed_BLD = self.before(state_BLD)
        return self.attention.shares(normed_BLD, normed_BLD, valid_BL)


class PostNorm(nn.Module):
    """BERT's block: y = LN(x + drop(A x)); LN(y + feed y), the feed-forward layer with a GELU."""

    def __init__(self, layers: Layers):
        super().__init__()
        self.attention = Attention(layers.dim, layers.heads, layers.dropout)
        self.projection = nn.Linear(layers.dim, layers.dim)
        self.between, self.after = nn.LayerNorm(layers.dim), nn.LayerNorm(layers.dim)
        self.feed = _feed(layers, nn.GELU)
        self.dropout = nn.Dropout(layers.dropout)

    def forward(self, state_BLD: Tensor, valid_BL: Tensor | None = None) -> Tensor:
        mixed_BLD = self.projection(self.attention(state_BLD, state_BLD, valid_BL))
        state_BLD = self.between(state_BLD + self.dropout(mixed_BLD))
        after_BLD: Tensor = self.after(state_BLD + self.feed(state_BLD))
        return after_BLD

    def shares(self, state_BLD: Tensor, valid_BL: Tensor | None = None) -> Tensor:
        """share_BLL of each state in each state."""
        return self.attention.shares(state_BLD, state_BLD, valid_BL)


class Official(nn.Module):
    """The block of SASRec's authors: q = LN x; y = A(q, x) + q; LN y + feed(LN y)."""

    def __init__(self, layers: Layers):
        super().__init__()
        self.attention = Attention(layers.dim, layers.heads, layers.dropout)
        self.before, self.between = nn.LayerNorm(layers.dim), nn.LayerNorm(layers.dim)
        self.feed = _feed(layers, nn.ReLU)

    def forward(self, state_BLD: Tensor, valid_BL: Tensor | None = None) -> Tensor:
        normed_BLD = self.before(state_BLD)
        normed_BLD = self.between(self.attention(normed_BLD, state_BLD, valid_BL) + normed_BLD)
        mixed_BLD: Tensor = normed_BLD + self.feed(normed_BLD)
        return mixed_BLD

    def shares(self, state_BLD: Tensor, valid_BL: Tensor | None = None) -> Tensor:
        """share_BLL of each state in each state."""
        return self.attention.shares(self.before(state_BLD), state_BLD, valid_BL)


Block = PreNorm | PostNorm | Official
BLOCKS: dict[str, type[PreNorm] | type[PostNorm] | type[Official]] = {
    "pre": PreNorm,
    "post": PostNorm,
    "official": Official,
}


def _feed(layers: Layers, unit: Callable[[], nn.Module]) -> nn.Sequential:
    wide, narrow = nn.Linear(layers.dim, layers.inner), nn.Linear(layers.inner, layers.dim)
    return nn.Sequential(wide, unit(), nn.Dropout(layers.dropout), narrow, nn.Dropout(layers.dropout))


class Encoder(nn.Module):
    """Vectors of events, at slots counted from a row's first event or from its last, through blocks.

    `post` is BERT's: drop(LN(x + P)), then PostNorm blocks. Else drop(sqrt(D) x + P), blocks, LN.
    """

    def __init__(self, layers: Layers, blocks: list[Block], norm: str):
        super().__init__()
        post, dim = norm == "post", layers.dim
        self.scale = 1.0 if post else dim**0.5
        self.slot_LD = nn.Parameter(torch.randn(layers.length, dim) * 0.02 * (1.0 if post else max(dim / 64, 1) ** 0.5))
        self.blocks = nn.ModuleList(blocks)
        self.first = nn.LayerNorm(dim) if post else nn.Identity()
        self.norm = nn.Identity() if post else nn.LayerNorm(dim)
        self.dropout = nn.Dropout(layers.dropout)

    def forward(self, event_BLD: Tensor, valid_BL: Tensor | None = None, last: bool = False) -> Tensor:
        """The state after each event, state_BLD; with `valid_BL` the state at each event in sight of the whole row.

        `last`: slots are counted from the last valid event, which has the last one.
        """
        state_BLD: Tensor = self.norm(self._through(self._met(event_BLD, valid_BL, last), valid_BL, len(self.blocks)))
        return state_BLD

    def shares(self, event_BLD: Tensor, valid_BL: Tensor | None = None, last: bool = False) -> Tensor:
        """How much each state attends to each event in the last block, the mean over heads, share_BLL."""
        state_BLD = self._through(self._met(event_BLD, valid_BL, last), valid_BL, len(self.blocks) - 1)
        share_BLL: Tensor = self.blocks[-1].shares(state_BLD, valid_BL)  # type: ignore[operator]
        return share_BLL

    def _met(self, event_BLD: Tensor, valid_BL: Tensor | None, last: bool) -> Tensor:
        slot_BLD = self.slot_LD[: event_BLD.shape[1]]
        if last and valid_BL is not None:
            step_L, most = torch.arange(event_BLD.shape[1], device=event_BLD.device), len(self.slot_LD)
            slot_BLD = self.slot_LD[(step_L + most - valid_BL.sum(1, keepdim=True)).clamp(max=most - 1)]
        met_BLD: Tensor = self.dropout(self.first(event_BLD * self.scale + slot_BLD))
        return met_BLD

    def _through(self, state_BLD: Tensor, valid_BL: Tensor | None, blocks: int) -> Tensor:
        for block in self.blocks[:blocks]:
            state_BLD = block(state_BLD, valid_BL)
        return state_BLD


def stacked(layers: Layers, norm: str) -> list[Block]:
    """The blocks of an encoder."""
    return [BLOCKS[norm](layers) for _ in range(layers.blocks)]


def embedded(items: int, dim: int) -> nn.Embedding:
    """A row of numbers an item, small, row 0 zero."""
    embedding = nn.Embedding(items + 1, dim, padding_idx=0)
    nn.init.trunc_normal_(embedding.weight[1:], std=0.02)
    return embedding
