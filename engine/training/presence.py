"""How much of each event, and of each part of its item, is there: 1 as it is, less is dimmed, 0 silenced."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import pad

from engine.training.needs import View


@dataclass(frozen=True, kw_only=True)
class Presence:
    """What is multiplied into the vector that a model makes of an event, or of a part of its item (None: nothing is,
    and no bit changes). So the derivative of a score by a presence, at 1, is gradient × input.

    presence_BL: of the rows' events. part_presence, by view: of the items at these events, "image" and "text" [B, L] as
    a whole, "words" [B, L, W] and "regions" [B, L, M] each by itself, as wide as the longest item or wider; an item
    that stands in several places has its own in each; "topics" [B, L, T] of the shares in the profile right after each
    event, whose sum is then less than 1. audience_presence_BKM: of the acts of others on the K items that
    a row is asked about, oldest first, the last `item_length` of each, from 0. What a candidate itself is made of is
    always there. For scores; the parts of a loss that only concern items (alignment, reconstruction) are not dimmed.
    reference_BL: events whose mean stands for what is not there of another, in place of nothing (None: nothing does).
    """

    presence_BL: Tensor | None = None
    part_presence: Mapping[View, Tensor] | None = None
    audience_presence_BKM: Tensor | None = None
    reference_BL: Tensor | None = None

    def dimmed(self, other: "Presence") -> "Presence":
        """What is left where both dim, part by part; what the narrower one does not reach is there in it."""
        mine, theirs = self.part_presence or {}, other.part_presence or {}
        parts = {view: _product(mine.get(view), theirs.get(view)) for view in {**mine, **theirs}}
        return Presence(
            presence_BL=_product(self.presence_BL, other.presence_BL),
            part_presence={view: part for view, part in parts.items() if part is not None} or None,
            audience_presence_BKM=_product(self.audience_presence_BKM, other.audience_presence_BKM),
            reference_BL=other.reference_BL if self.reference_BL is None else self.reference_BL,
        )

    def present(self, event_BLD: Tensor, view: View | None = None) -> Tensor:
        """Each event's vector, or what a view gives to it, times its presence."""
        presence_BL = (self.part_presence or {}).get(view) if view else self.presence_BL
        if presence_BL is None:
            return event_BLD
        there_BLD = event_BLD * presence_BL[..., None]
        if view or self.reference_BL is None:
            return there_BLD
        return there_BLD + (1 - presence_BL[..., None]) * event_BLD[self.reference_BL].mean(0)


def _product(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    if one is None or other is None:
        return other if one is None else one
    width = max(one.shape[-1], other.shape[-1])
    wide = [pad(value, (0, width - value.shape[-1]), value=1.0) for value in (one, other)]
    return wide[0] * wide[1]
