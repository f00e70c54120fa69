"""How much of each event, and of each part of its item, is there: 1 as it is, less is dimmed, 0 silenced."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from engine.training.needs import View


@dataclass(frozen=True, kw_only=True)
class Presence:
    """What is multiplied into the vector that a model makes of an event, or of a part of its item (None: nothing is,
    and no bit changes). So the derivative of a score by a presence, at 1, is gradient × input.

    presence_BL: of the rows' events. part_presence, by view: of the items at these events, "image" and "text" [B, L] as
    a whole, "words" [B, L, W] and "regions" [B, L, M] each by itself, as wide as the longest item or wider; an item
    that stands in several places has its own in each. audience_presence_BKM: of the acts of others on the K items that
    a row is asked about, oldest first, the last `item_length` of each, from 0. What a candidate itself is made of is
    always there. For scores; the parts of a loss that only concern items (alignment, reconstruction) are not dimmed.
    """

    presence_BL: Tensor | None = None
    part_presence: Mapping[View, Tensor] | None = None
    audience_presence_BKM: Tensor | None = None

    def dimmed(self, other: "Presence") -> "Presence":
        """What is left where both dim, part by part; both are as wide where they dim the same."""
        mine, theirs = self.part_presence or {}, other.part_presence or {}
        parts = {view: _product(mine.get(view), theirs.get(view)) for view in {**mine, **theirs}}
        return Presence(
            presence_BL=_product(self.presence_BL, other.presence_BL),
            part_presence={view: part for view, part in parts.items() if part is not None} or None,
            audience_presence_BKM=_product(self.audience_presence_BKM, other.audience_presence_BKM),
        )

    def present(self, event_BLD: Tensor, view: View | None = None) -> Tensor:
        """Each event's vector, or what a view gives to it, times its presence."""
        presence_BL = (self.part_presence or {}).get(view) if view else self.presence_BL
        return event_BLD if presence_BL is None else event_BLD * presence_BL[..., None]


def _product(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    return other if one is None else one if other is None else one * other
