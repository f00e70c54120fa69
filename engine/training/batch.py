"""The ids and times of one step: rows of history and what is drawn for them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from engine.training.audience import Audience
from engine.training.needs import View
from engine.training.presence import Presence


@dataclass(frozen=True)
class Batch(Presence):
    """Rows of history, right-padded with 0, and what is drawn for them.

    item_BL i64 · valid_BL bool · length_B · user_B · time_BL i64 unix seconds UTC (None where the data has none) ·
    event_BL i64: a number for each event of the data, the same wherever the event appears (0 padding) ·
    topic_BLT: the decayed topic profile right after each event (None unless asked for) ·
    target_BL: the next item at each position (0 where none; None when ranking), or its own where a model asks that ·
    negative_BLK: drawn for each target · shared_S, expected_S: drawn for the batch, with log expected counts.
    A row that is a pair (or has no history, L = 0) has its target in target_BL [B, 1], rated_B f32.
    rating_BL f32: what the user gave each event (0 padding). now_B: the moment that what follows a row is asked at;
    `audience`: who acted on each item before (None unless asked for). `Presence` has what dims events.
    """

    user_B: Tensor
    item_BL: Tensor
    length_B: Tensor
    event_BL: Tensor
    time_BL: Tensor | None = None
    topic_BLT: Tensor | None = None
    target_BL: Tensor | None = None
    negative_BLK: Tensor | None = None
    shared_S: Tensor | None = None
    expected_S: Tensor | None = None
    rating_BL: Tensor | None = None
    rated_B: Tensor | None = None
    now_B: Tensor | None = None
    audience: Audience | None = None

    @property
    def valid_BL(self) -> Tensor:
        """True where there is an event."""
        return self.item_BL > 0

    def last(self, state_BLD: Tensor) -> Tensor:
        """The state after each row's last event; zeros for a row without one."""
        index_B11 = (self.length_B - 1).clamp(min=0)[:, None, None].expand(-1, 1, state_BLD.shape[-1])
        last_BD = state_BLD.gather(1, index_B11)[:, 0]
        return last_BD * (self.length_B > 0)[:, None].to(last_BD.dtype)

    def but(self, **changes: Tensor | Audience | Mapping[View, Tensor] | None) -> "Batch":
        """The same batch with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]
