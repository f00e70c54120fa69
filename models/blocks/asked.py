"""Targets and the history that speaks for each: what is asked of item similarity (FISM, NAIS, IRIS)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from engine.training.batch import Batch
from engine.training.needs import Needs, Settings, View
from models.blocks.shared_settings import Negatives, Newest, Window

LEAST = 1e-12  # of what is divided by
FEW = 32  # steps of a row that are not split further: a smaller product would not be faster


class History(Settings):
    """Which acts speak for a target, when it is ranked and when it is learnt, and how."""

    length: Newest = 10
    window: Window = 200
    negatives: Negatives = 32
    history: Literal["before", "others"] = Field(
        "before", description="what a target is learnt beside: what came before it, or all else that the user chose"
    )

    recency: bool = Field(False, description="ours: a learnt weight for each place from the newest")

    @model_validator(mode="after")
    def _ordered(self) -> "History":
        if self.recency and self.history == "others":
            raise ValueError(
                "recency: true weighs acts by how new they are, and with history: others a target stands beside acts "
                "before and after it: set history: before, or recency: false"
            )
        return self

    @property
    def needs(self) -> Needs:
        ahead = 0 if self.history == "others" else 1
        window = max(self.window, self.length)
        return Needs(self.length, window=window, negatives=self.negatives, views=self.views, ahead=ahead)

    @property
    def views(self) -> frozenset[View]:
        """What is read of an item beside its row."""
        return frozenset()


@dataclass(frozen=True)
class Asked:
    """Targets of each row (0: none, which scores 0); of its events those from first_BT (None: 0) to seen_BT count, but
    never the target.

    An event counts by its presence_BL (None: 1): 0 is as if it had not been. past_BLA: the events' halves, where they
    are not those of their items.
    """

    item_BL: Tensor
    target_BT: Tensor
    seen_BT: Tensor
    presence_BL: Tensor | None = None
    past_BLA: Tensor | None = None
    first_BT: Tensor | None = None

    @staticmethod
    def after(batch: Batch, item_BK: Tensor, past_BLA: Tensor | None = None) -> "Asked":
        """Candidates after all that a row holds."""
        seen_BK = batch.length_B[:, None].expand_as(item_BK)
        return Asked(batch.item_BL, item_BK, seen_BK, batch.presence_BL, past_BLA)

    @staticmethod
    def learnt(batch: Batch, history: History) -> tuple["Asked", Tensor]:
        """Each position's target and its negatives, with label_BT: after the newest `length` events up to it, or
        beside all others.

        Raises:
            ValueError: the batch has no targets or nothing was drawn for them.
        """
        if batch.target_BL is None or batch.negative_BLK is None:
            raise ValueError("the log loss compares targets with drawn items; the batch has none")
        own_BL1 = batch.target_BL[..., None]
        target_BLK = torch.cat([own_BL1, batch.negative_BLK * (own_BL1 > 0)], 2)
        step_L = torch.arange(1, target_BLK.shape[1] + 1, device=target_BLK.device)
        others = history.history == "others"
        seen_BL = batch.length_B[:, None].expand_as(batch.item_BL) if others else step_L.expand_as(batch.item_BL)
        label_BLK = torch.zeros_like(target_BLK, dtype=torch.float32)
        label_BLK[..., 0] = (batch.target_BL > 0).float()
        seen_BT = seen_BL[..., None].expand_as(target_BLK).flatten(1)
        first_BT = None if others else (seen_BT - history.length).clamp(min=0)
        asked = Asked(batch.item_BL, target_BLK.flatten(1), seen_BT, batch.presence_BL, first_BT=first_BT)
        return asked, label_BLK.flatten(1)

    @property
    def where(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """item_BL, target_BT, first_BT and seen_BT."""
        first_BT = torch.zeros_like(self.seen_BT) if self.first_BT is None else self.first_BT
        return self.item_BL, self.target_BT, first_BT, self.seen_BT

    @property
    def events_B1(self) -> Tensor:
        """How many events each row holds."""
        return (self.item_BL > 0).sum(1, keepdim=True)

    def kept_BTL(self) -> Tensor:
        """Which events count for which target."""
        step_L = torch.arange(self.item_BL.shape[1], device=self.item_BL.device)
        early_BTL = (step_L < self.seen_BT[..., None]) & (self.item_BL > 0)[:, None]
        if self.first_BT is not None:
            early_BTL &= step_L >= self.first_BT[..., None]
        return early_BTL & (self.item_BL[:, None] != self.target_BT[..., None]) & (self.target_BT > 0)[..., None]

    def count_BT1(self) -> Tensor:
        """How many events count for each target, by their presence; where there are none, a number above 0."""
        if self.presence_BL is None:
            return self.kept_BTL().sum(-1, keepdim=True).clamp(min=1)
        return (self.kept_BTL() * self.presence_BL[:, None]).sum(-1, keepdim=True).clamp(min=LEAST)

    def near(self) -> int:
        """How many targets together have about twice the events that one of them has."""
        targets, events = self.target_BT.shape[1], self.item_BL.shape[1]
        if self.first_BT is None or not self.first_BT.numel() or not events:
            return targets
        reach = int((self.seen_BT - self.first_BT).max())
        return max(targets // events, 1) * max(reach, FEW)

    def parts(self, targets: int) -> Iterator["Asked"]:
        """The same, some targets at a time, each part with the events alone that count for one of its own."""
        for first in range(0, max(self.target_BT.shape[1], 1), targets):
            yield self.part(slice(first, first + targets))

    def part(self, some: slice) -> "Asked":
        """Some targets, without the columns of events that count for none of them."""
        first_BT = None if self.first_BT is None else self.first_BT[:, some]
        seen_BT = self.seen_BT[:, some]
        low = int(first_BT.min()) if first_BT is not None and first_BT.numel() else 0
        near = slice(low, int(seen_BT.max()) if seen_BT.numel() else None)
        return Asked(
            self.item_BL[:, near],
            self.target_BT[:, some],
            seen_BT - low,
            None if self.presence_BL is None else self.presence_BL[:, near],
            None if self.past_BLA is None else self.past_BLA[:, near],
            None if first_BT is None else first_BT - low,
        )
