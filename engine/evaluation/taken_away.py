"""How far an item's log-probability falls when something of a row is taken away: what is named was checked so."""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.evaluation.alike import Alike
from engine.evaluation.erasure import erase_events
from engine.evaluation.influence import all_present, dimmed, rivals
from engine.evaluation.named_words import words_of
from engine.evaluation.question import Question, log_probability
from engine.training.batch import Batch
from engine.training.presence import Presence

PICTURE, TEXT = 0, 1  # of the view axis


class TakenAway:
    """Falls of the log-probability (where a model rates, of the rating) of one item a row, fall_B: above 0 is lower."""

    def __init__(self, asked: Question):
        self.asked = asked
        alike = Alike.of(asked.model, asked.batch, asked.same_B)
        of = (asked.model, alike.once(asked.batch), asked.item_B, asked.among_BK)
        self.whole_B = log_probability(*of, alike.place_B)

    def of(self, row_R: Tensor) -> "TakenAway":
        """The same for some rows."""
        return self if len(row_R) == len(self.asked.item_B) else TakenAway(self.asked.some(row_R))

    def act(self, place_B: Tensor) -> Tensor:
        """The act at a place left out."""
        return self.acts(F.one_hot(place_B, self.asked.batch.item_BL.shape[1]).bool())

    def acts(self, gone_BL: Tensor) -> Tensor:
        """Some acts left out."""
        return self._fall(erase_events(self.asked.batch, gone_BL))

    def view(self, place_B: Tensor, view: int) -> Tensor:
        """What a view (PICTURE, TEXT) gives to the act at a place silenced."""
        return self._part("view", (place_B, torch.full_like(place_B, view)))

    def region(self, place_B: Tensor, region_B: Tensor) -> Tensor:
        """A region of the picture of the act at a place silenced."""
        return self._part("region", (place_B, region_B))

    def topic(self, topic_B: Tensor) -> Tensor:
        """A topic, from 0, taken out of the profile at every act."""
        every_B1 = torch.arange(self.asked.batch.item_BL.shape[1], device=topic_B.device)[None]
        return self._part("topic", (every_B1, topic_B[:, None]))

    def audience(self) -> Tensor:
        """None of what others did to the item."""
        return self._part("item_history", ())

    def _part(self, over: str, at: tuple[Tensor, ...]) -> Tensor:
        """A part of each row has presence 0: at `at` of the axes after the first, or everything."""
        asked = self.asked
        (one,) = (one for one in all_present(asked) if one.over == over)
        row_B = torch.arange(len(asked.item_B), device=asked.item_B.device)
        value = one.value.detach().clone()
        value[(row_B.view(-1, *[1] * (max((place.ndim for place in at), default=1) - 1)), *at)] = 0
        return self._fall(dimmed(asked.batch, [replace(one, value=value)], rivals(asked.model, asked.among_BK)))

    def terms(self, place_B: Tensor, term_BW: Tensor, term_X: Tensor) -> Tensor:
        """All places of some words in the text of the act at a place silenced."""
        batch = self.asked.batch
        term_BLP = words_of(batch.item_BL, self.asked.catalog, term_X)
        here_BL = F.one_hot(place_B, batch.item_BL.shape[1]).bool()
        gone_BLP = (term_BLP[..., None] == term_BW[:, None, None]).any(-1) & (term_BLP > 0) & here_BL[..., None]
        parts = Presence(part_presence={"words": (~gone_BLP).to(self.whole_B.dtype)})
        return self._fall(batch.but(**vars(batch.dimmed(parts))))

    def _fall(self, changed: Batch) -> Tensor:
        return self.whole_B - self._value(changed)

    def _value(self, batch: Batch) -> Tensor:
        return log_probability(self.asked.model, batch, self.asked.item_B, self.asked.among_BK)
