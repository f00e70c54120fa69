"""What a person is after now, from the last few events (Ante-RNN eq. 15-20)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.training.batch import Batch
from engine.training.contract import Weights
from models.blocks import masked, times


def windows(value_BL: Tensor, width: int) -> Tensor:
    """The last `width` of each position's past and itself: [B, L, …] to [B, L, width, …], zeros before the first."""
    pad = [0, 0] * (value_BL.ndim - 2) + [width - 1, 0]
    padded = F.pad(value_BL, pad)
    return padded.unfold(1, width, 1).movedim(-1, 2)


class Factors(nn.Module):
    """Hour of the week and gap to the newest event as vectors (eq. 16-18), through the attention's first layer.

    W_f on one-hot vectors is a lookup; `linear` (eq. 17) then lets the first layer pass over the table, not the events.
    """

    def __init__(self, dim: int, factors: Sequence[str], transform: str):
        super().__init__()
        self.tables = nn.ParameterDict({name: nn.Parameter(torch.randn(times.SLOTS, dim) * 0.1) for name in factors})
        self.first = nn.Linear(dim, dim, bias=False)
        self.bias = nn.Parameter(torch.zeros(dim)) if transform == "sigmoid" else None

    def forward(self, time_BLW: Tensor) -> Tensor:
        """first_BLWD of the times in each window, whose last is the newest."""
        slot = {"hour_of_week": times.hour_of_week(time_BLW), "gap": times.gap(time_BLW[..., -1:], time_BLW)}
        if self.bias is None:
            return self._sum({name: self.first(table) for name, table in self.tables.items()}, slot)
        found: Tensor = self.first(torch.sigmoid(self._sum(dict(self.tables.items()), slot) + self.bias))
        return found

    def _sum(self, table: dict[str, Tensor], slot: dict[str, Tensor]) -> Tensor:
        first, *others = [F.embedding(slot[name], rows) for name, rows in table.items()]
        for other in others:
            first = first + other
        return first


class ContextAttention(nn.Module):
    """The window's items weighed by themselves and by when they were (eq. 19-20)."""

    def __init__(self, dim: int, window: int, factors: Sequence[str], transform: str):
        super().__init__()
        self.window = window
        self.item = nn.Linear(dim, dim)
        self.factors = Factors(dim, factors, transform) if factors else None
        self.out = nn.Linear(dim, 1, bias=False)

    def forward(self, item_BLD: Tensor, valid_BL: Tensor, time_BL: Tensor | None) -> tuple[Tensor, Tensor]:
        """interest_BLD and share_BLW of the window's events, oldest first."""
        hidden_BLWD = windows(self.item(item_BLD), self.window)
        if self.factors is not None and time_BL is not None:
            hidden_BLWD = hidden_BLWD + self.factors(windows(time_BL, self.window))
        share_BLW = masked.softmax(self.out(hidden_BLWD.relu())[..., 0], windows(valid_BL, self.window))
        return (share_BLW[..., None] * windows(item_BLD, self.window)).sum(2), share_BLW


class ContextMean(nn.Module):
    """The mean of the window's items (eq. 15), at the left edge of those there are."""

    def __init__(self, window: int):
        super().__init__()
        self.window = window

    def forward(self, item_BLD: Tensor, valid_BL: Tensor, time_BL: Tensor | None) -> tuple[Tensor, None]:
        """interest_BLD; nothing is weighed."""
        return masked.mean(windows(item_BLD, self.window), windows(valid_BL, self.window)), None


class NoContext(nn.Module):
    """Each event by itself."""

    def forward(self, item_BLD: Tensor, valid_BL: Tensor, time_BL: Tensor | None) -> tuple[Tensor, None]:
        """item_BLD as it is."""
        return item_BLD, None


def over_history(share_BW: Tensor, length_B: Tensor, length: int) -> Tensor:
    """The shares of each row's last window, oldest first, at their places in the row: share_BL."""
    width = share_BW.shape[1]
    place_BW = (length_B - 1).clamp(min=0)[:, None] + torch.arange(width, device=share_BW.device)
    share_BX = share_BW.new_zeros(len(share_BW), length + width - 1)
    return share_BX.scatter(1, place_BW, share_BW)[:, width - 1 :]


def reasons(batch: Batch, share_BLW: Tensor | None) -> list[Weights]:
    """The weights of the last event's window over each row's history; nothing where nothing was weighed."""
    if share_BLW is None:
        return []
    last_BL = over_history(batch.last(share_BLW), batch.length_B, batch.item_BL.shape[1])
    return [Weights(last_BL, "history", "share", True, batch.valid_BL)]
