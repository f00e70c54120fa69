"""Causal self-attention over rows that are read in two ways: as events are known once their period is over, and as
they are known while it lasts. A state sees what was over at its moment in the first way, the rest in the second.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Attention(nn.Module):
    """Several heads over what a mask lets through, before any projection of what they give."""

    def __init__(self, dim: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query, self.value = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim, bias=False)  # a bias would move all weights alike: softmax does not see it

    def forward(self, normed_BLD: Tensor, seen_BLL: Tensor) -> Tensor:
        """mixed_BLD; seen_BLL is True where the first may look at the second."""
        query, key, value = (self._split(m(normed_BLD)) for m in (self.query, self.key, self.value))
        dropout = self.dropout * self.training
        mixed = F.scaled_dot_product_attention(query, key, value, seen_BLL[:, None], dropout)
        mixed_BLD: Tensor = mixed.transpose(1, 2).flatten(2)
        return mixed_BLD

    def shares(self, normed_BLD: Tensor, seen_BLL: Tensor) -> Tensor:
        """The weights themselves, the mean over heads, share_BLL."""
        query, key = self._split(self.query(normed_BLD)), self._split(self.key(normed_BLD))
        logit = query @ key.transpose(2, 3) / query.shape[-1] ** 0.5
        share_BLL: Tensor = logit.masked_fill(~seen_BLL[:, None], -torch.inf).softmax(-1).mean(1)
        return share_BLL

    def _split(self, part_BLD: Tensor) -> Tensor:
        return part_BLD.view(*part_BLD.shape[:2], self.heads, -1).transpose(1, 2)


class Block(nn.Module):
    """x + drop(A(LN x)), then the same around the feed-forward layer."""

    def __init__(self, dim: int, heads: int, inner: int, dropout: float):
        super().__init__()
        self.attention = Attention(dim, heads, dropout)
        self.projection = nn.Linear(dim, dim)
        self.before, self.between = nn.LayerNorm(dim), nn.LayerNorm(dim)
        drop = nn.Dropout(dropout)
        self.feed = nn.Sequential(nn.Linear(dim, inner), nn.ReLU(), drop, nn.Linear(inner, dim), drop)
        self.dropout = nn.Dropout(dropout)

    def forward(self, state_BLD: Tensor, seen_BLL: Tensor) -> Tensor:
        mixed_BLD = self.attention(self.before(state_BLD), seen_BLL)
        state_BLD = state_BLD + self.dropout(self.projection(mixed_BLD))
        after_BLD: Tensor = state_BLD + self.feed(self.between(state_BLD))
        return after_BLD


class Streams(nn.Module):
    """Events in both ways stand one after the other, [over, open], 2L in all; each event has one slot."""

    def __init__(self, dim: int, heads: int, blocks: int, inner: int, length: int, dropout: float):
        super().__init__()
        self.slot_LD = nn.Parameter(torch.randn(length, dim) * 0.02 * max(dim / 64, 1) ** 0.5)
        self.blocks = nn.ModuleList(Block(dim, heads, inner, dropout) for _ in range(blocks))
        self.norm, self.dropout = nn.LayerNorm(dim), nn.Dropout(dropout)

    def forward(self, over_BLD: Tensor, open_BLD: Tensor, period_BL: Tensor, over_BL: Tensor) -> Tensor:
        """The state after each event, state_BLD: for a moment when its period is over, or (over_BL False) is not."""
        state_BXD = self._through(over_BLD, open_BLD, seen(period_BL), len(self.blocks))
        state_BLD: Tensor = self.norm(_chosen(state_BXD, over_BL))
        return state_BLD

    def shares(self, over_BLD: Tensor, open_BLD: Tensor, period_BL: Tensor, over_BL: Tensor) -> Tensor:
        """How much each state attends to each event in the last block, share_BLL."""
        seen_BXX, last = seen(period_BL), self.blocks[-1]
        state_BXD = self._through(over_BLD, open_BLD, seen_BXX, len(self.blocks) - 1)
        share_BXX = last.attention.shares(last.before(state_BXD), seen_BXX)  # type: ignore[operator,union-attr]
        over_BXL, open_BXL = share_BXX.chunk(2, 2)
        return _chosen(over_BXL + open_BXL, over_BL)

    def _through(self, over_BLD: Tensor, open_BLD: Tensor, seen_BXX: Tensor, blocks: int) -> Tensor:
        slot_LD = self.slot_LD[: over_BLD.shape[1]]
        state_BXD: Tensor = self.dropout(torch.cat([over_BLD + slot_LD, open_BLD + slot_LD], 1))
        for block in self.blocks[:blocks]:
            state_BXD = block(state_BXD, seen_BXX)
        return state_BXD


def seen(period_BL: Tensor) -> Tensor:
    """What each of the two ways of an event may look at: seen_BXX, X = 2L.

    `over` looks at earlier events and itself, all over; `open` at those of earlier periods as over, at those of its
    own as open.
    """
    length = period_BL.shape[1]
    past_LL = torch.ones(length, length, dtype=torch.bool, device=period_BL.device).tril()
    same_BLL = (period_BL[:, :, None] == period_BL[:, None]) & past_LL
    none_BLL = torch.zeros_like(same_BLL)
    over_BLX = torch.cat([past_LL.expand_as(same_BLL), none_BLL], 2)
    return torch.cat([over_BLX, torch.cat([past_LL & ~same_BLL, same_BLL], 2)], 1)


def _chosen(value_BXD: Tensor, over_BL: Tensor) -> Tensor:
    over_BLD, open_BLD = value_BXD.chunk(2, 1)
    return torch.where(over_BL[..., None], over_BLD, open_BLD)
