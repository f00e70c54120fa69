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
        return part_BLD.view(*part_BLD.shape[:2], self.heads, -1).transpose(1, 2)


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
