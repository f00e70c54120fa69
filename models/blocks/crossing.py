"""Sequences of an item's parts (views, then its row) to one state a part, over what came before (MIN, section 4.2)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.training.contract import Weights
from engine.training.needs import View
from models.blocks import masked

SEQUENCES = {"image": "attention to pictures", "text": "attention to texts", "row": "attention to rows"}


@dataclass(frozen=True)
class Traced:
    """Where one part's state after the last event comes from: share_BL of each event's part number `of`, and, where
    the state is exactly the sum of shares times values, value_BLD.
    """

    share_BL: Tensor
    value_BLD: Tensor | None
    of: int


def of_sequences(traced: list[Traced], there: list[Tensor], item_BL: Tensor, views: tuple[View, ...]) -> list[Weights]:
    """What each event's picture, text and row is given in the state that is read from that sequence."""
    names, ordered = [SEQUENCES[part] for part in (*views, "row")], sorted(traced, key=lambda one: one.of)
    return [
        Weights(one.share_BL, "gate", "share", False, there_BL, part=item_BL, name=name)
        for one, there_BL, name in zip(ordered, there, names, strict=True)
    ]


class Attend(nn.Module):
    """softmax(Q K^T / sqrt d) V over the events up to each. `inner` > 0: in a block with residuals and a feed-forward
    layer of that width; 0: as it stands, so that what it gives is a weighed sum of what it is given.
    """

    def __init__(self, dim: int, inner: int, dropout: float):
        super().__init__()
        self.rate = dropout
        self.query, self.key, self.value = (nn.Linear(dim, dim, bias=False) for _ in range(3))
        self.before = nn.LayerNorm(dim) if inner else nn.Identity()
        self.feed = _feed(dim, inner, dropout) if inner else None
        self.dropout = nn.Dropout(dropout)

    def forward(self, asking_BLD: Tensor, other_BLD: Tensor, there_BL: Tensor) -> Tensor:
        """state_BLD; events where `other` is not there are not attended to."""
        asked, given = self.before(asking_BLD), self.before(other_BLD)
        mask_BLL = there_BL[:, None] & self._earlier(there_BL)
        query, key, value = (p[:, None] for p in (self.query(asked), self.key(given), self.value(given)))
        rate = self.rate * self.training
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask_BLL[:, None], dropout_p=rate)
        if self.feed is None:
            return mixed[:, 0]
        state_BLD: Tensor = asking_BLD + self.dropout(mixed[:, 0])
        fed_BLD: Tensor = state_BLD + self.feed(state_BLD)
        return fed_BLD

    def shares(self, asking_BLD: Tensor, other_BLD: Tensor, there_BL: Tensor) -> Tensor:
        """share_BLL of each event in each state; zeros where there was none to attend to."""
        asked, given = self.query(self.before(asking_BLD)), self.key(self.before(other_BLD))
        logit_BLL = asked @ given.transpose(1, 2) / asked.shape[-1] ** 0.5
        return masked.softmax(logit_BLL, there_BL[:, None] & self._earlier(there_BL))

    def _earlier(self, there_BL: Tensor) -> Tensor:
        length = there_BL.shape[1]
        return torch.ones(length, length, dtype=torch.bool, device=there_BL.device).tril()


def _feed(dim: int, inner: int, dropout: float) -> nn.Sequential:
    wide, narrow = nn.Linear(dim, inner), nn.Linear(inner, dim)
    return nn.Sequential(nn.LayerNorm(dim), wide, nn.ReLU(), nn.Dropout(dropout), narrow, nn.Dropout(dropout))


class SelfAndCross(nn.Module):
    """Each part attends to itself; then picture asks the texts, and text the pictures, where there are both."""

    def __init__(self, views: int, dim: int, length: int, inner: int, dropout: float):
        super().__init__()
        self.slot_LD = nn.Parameter(torch.randn(length, dim) * dim**-0.5)
        self.own = nn.ModuleList(Attend(dim, inner, dropout) for _ in range(views + 1))
        self.cross = nn.ModuleList(Attend(dim, inner, dropout) for _ in range(2 if views == 2 else 0))
        self.plain = not inner

    def forward(self, part: list[Tensor], there: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """state_BLD of each part (crossed: the picture's, the text's) and seen_BL: whether it had any to go by."""
        part = self._placed(part)
        own = [attend(p, p, t) for attend, p, t in zip(self.own, part, there, strict=True)]
        seen = [t.cumsum(1) > 0 for t in there]
        if self.cross:
            crossed = [self.cross[0](own[0], own[1], seen[1]), self.cross[1](own[1], own[0], seen[0])]
            own, seen = [*crossed, own[2]], [seen[1], seen[0], seen[2]]
        return [state * s[..., None] for state, s in zip(own, seen, strict=True)], seen

    def traced(self, part: list[Tensor], there: list[Tensor], last_B: Tensor) -> list[Traced]:
        """Where each state after event last_B comes from."""
        part, row_B = self._placed(part), torch.arange(len(last_B), device=last_B.device)
        share = [attend.shares(p, p, t) for attend, p, t in zip(self.own, part, there, strict=True)]  # type: ignore[operator]
        value = [attend.value(p) for attend, p in zip(self.own, part, strict=True)]  # type: ignore[operator]
        last = [share_BLL[row_B, last_B] for share_BLL in share]
        if self.cross:
            own = [attend(p, p, t) for attend, p, t in zip(self.own, part, there, strict=True)]
            seen = [t.cumsum(1) > 0 for t in there]
            for to, (of, attend) in enumerate(zip((1, 0), self.cross, strict=True)):
                last[to] = (attend.shares(own[to], own[of], seen[of])[row_B, last_B][:, None] @ share[of])[:, 0]  # type: ignore[operator]
            value = [self.cross[0].value(value[1]), self.cross[1].value(value[0]), value[2]]  # type: ignore[operator]
        source = (1, 0, 2) if self.cross else range(len(part))
        return [Traced(s, v if self.plain else None, of) for s, v, of in zip(last, value, source, strict=True)]

    def _placed(self, part: list[Tensor]) -> list[Tensor]:
        return [part_BLD + self.slot_LD[: part_BLD.shape[1]] for part_BLD in part]


class Untraced(nn.Module):
    """Sequences whose states say nothing of where they come from."""

    def traced(self, part: list[Tensor], there: list[Tensor], last_B: Tensor) -> list[Traced]:
        """Nothing."""
        return []


class ParallelLSTM(Untraced):
    """A recurrence for each part."""

    def __init__(self, views: int, dim: int):
        super().__init__()
        self.layers = nn.ModuleList(nn.LSTM(dim, dim, batch_first=True) for _ in range(views + 1))

    def forward(self, part: list[Tensor], there: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """state_BLD of each part and seen_BL."""
        seen = [t.cumsum(1) > 0 for t in there]
        return [layer(p)[0] * s[..., None] for layer, p, s in zip(self.layers, part, seen, strict=True)], seen


class MixedLSTM(Untraced):
    """One recurrence over the concatenated parts, whose state is as wide."""

    def __init__(self, views: int, dim: int):
        super().__init__()
        self.layer = nn.LSTM((views + 1) * dim, (views + 1) * dim, batch_first=True)

    def forward(self, part: list[Tensor], there: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """The state cut in as many parts; each goes by all."""
        state_BLE, _ = self.layer(torch.cat(part, -1))
        return list(state_BLE.chunk(len(part), -1)), [there[-1]] * len(part)


class LastItem(Untraced):
    """The last item itself (MIN-s)."""

    def forward(self, part: list[Tensor], there: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """The parts as they are."""
        return part, there
