"""An item's log-probability when what is said to speak for it is not there: what a sentence names was checked so."""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.evaluation.erasure import erase_events, select_rows
from engine.evaluation.influence import all_present, log_probability, presence, rivals
from engine.evaluation.named_words import words_of
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import Recommender
from engine.training.presence import Presence

PICTURE, TEXT = 0, 1  # of the view axis


class Absence:
    """Whether each row's item falls in log-probability when something of the row is taken away, falls_B."""

    def __init__(self, model: Recommender, batch: Batch, item_B: Tensor, catalog: Catalog, among_BK: Tensor):
        self.model, self.batch, self.item_B, self.catalog, self.among_BK = model, batch, item_B, catalog, among_BK
        self.whole_B = log_probability(model, batch, item_B, among_BK)

    def of(self, row_R: Tensor) -> "Absence":
        """The same for some rows."""
        if len(row_R) == len(self.item_B):
            return self
        rows = select_rows(self.batch, row_R)
        return Absence(self.model, rows, self.item_B[row_R], self.catalog, self.among_BK[row_R])

    def without_act(self, place_B: Tensor) -> Tensor:
        """The act at a place left out."""
        return self.without_acts(F.one_hot(place_B, self.batch.item_BL.shape[1]).bool())

    def without_acts(self, gone_BL: Tensor) -> Tensor:
        """Some acts left out."""
        return self._falls(erase_events(self.batch, gone_BL))

    def without_view(self, place_B: Tensor, view: str) -> Tensor:
        """What a view gives to the act at a place silenced."""
        return self._without_part("view", (place_B, torch.full_like(place_B, PICTURE if view == "image" else TEXT)))

    def without_region(self, place_B: Tensor, region_B: Tensor) -> Tensor:
        """A region of the picture of the act at a place silenced."""
        return self._without_part("region", (place_B, region_B))

    def without_topic(self, topic_B: Tensor) -> Tensor:
        """A topic, from 0, taken out of the profile at every act."""
        every_B1 = topic_B.new_tensor(range(self.batch.item_BL.shape[1]))[None]
        return self._without_part("topic", (every_B1, topic_B[:, None]))

    def without_audience(self) -> Tensor:
        """None of what others did to the item."""
        return self._without_part("item_history", ())

    def _without_part(self, over: str, at: tuple[Tensor, ...]) -> Tensor:
        """A part of each row has presence 0: at `at` of the axes after the first, or everything."""
        whole = (self.model, self.batch, self.item_B, self.catalog)
        (one,) = (one for one in all_present(*whole) if one.over == over)
        row_B = torch.arange(len(self.item_B), device=self.item_B.device)
        value = one.value.detach().clone()
        value[(row_B.view(-1, *[1] * (max((place.ndim for place in at), default=1) - 1)), *at)] = 0
        parts = presence([replace(one, value=value)], rivals(self.model, self.among_BK))
        return self._falls(self.batch.but(**vars(self.batch.dimmed(parts))))

    def without_terms(self, place_B: Tensor, term_BW: Tensor, term_X: Tensor) -> Tensor:
        """All places of some words in the text of the act at a place silenced."""
        term_BLP = words_of(self.batch.item_BL, self.catalog, term_X)
        here_BL = F.one_hot(place_B, self.batch.item_BL.shape[1]).bool()
        gone_BLP = (term_BLP[..., None] == term_BW[:, None, None]).any(-1) & (term_BLP > 0) & here_BL[..., None]
        parts = Presence(part_presence={"words": (~gone_BLP).to(self.whole_B.dtype)})
        return self._falls(self.batch.but(**vars(self.batch.dimmed(parts))))

    def _falls(self, changed: Batch) -> Tensor:
        return log_probability(self.model, changed, self.item_B, self.among_BK) < self.whole_B
