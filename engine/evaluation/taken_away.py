"""How far an item's log-probability falls when something of a row's history is taken away: an act, a view, words."""

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.evaluation.erasure import erase_events, select_rows
from engine.evaluation.influence import all_present, log_probability, presence
from engine.evaluation.readings import Question
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import Weights
from engine.training.presence import Presence

PICTURE, TEXT = 0, 1  # of the view axis


class TakenAway:
    """Falls of the log-probability (where a model rates, of the rating) of one item a row, fall_B: above 0 is lower."""

    def __init__(self, asked: Question):
        self.asked = asked
        self.whole_B = self._value(asked.batch)

    def of(self, row_R: Tensor) -> "TakenAway":
        """The same for some rows."""
        asked = self.asked
        if len(row_R) == len(asked.item_B):
            return self
        among = None if asked.among_BK is None else asked.among_BK[row_R]
        rows = select_rows(asked.batch, row_R)
        return TakenAway(Question(asked.model, rows, asked.item_B[row_R], asked.catalog, among))

    def act(self, place_B: Tensor) -> Tensor:
        """The act at a place left out."""
        gone_BL = F.one_hot(place_B, self.asked.batch.item_BL.shape[1]).bool()
        return self._fall(erase_events(self.asked.batch, gone_BL))

    def view(self, place_B: Tensor, view: int) -> Tensor:
        """What a view (PICTURE, TEXT) gives to the act at a place silenced."""
        asked = self.asked
        ones = [o for o in all_present(asked.model, asked.batch, asked.item_B, asked.catalog) if o.over == "view"]
        row_B = torch.arange(len(place_B), device=place_B.device)
        value_BL2 = ones[0].value.detach().clone()
        value_BL2[row_B, place_B, view] = 0
        parts = presence([Weights(value_BL2, "view", "signed", False, ones[0].valid)])
        return self._fall(asked.batch.but(**vars(asked.batch.dimmed(parts))))

    def terms(self, place_B: Tensor, term_BW: Tensor, term_X: Tensor) -> Tensor:
        """All places of some words in the text of the act at a place silenced."""
        batch = self.asked.batch
        term_BLP = terms_of(batch.item_BL, self.asked.catalog, term_X)
        here_BL = F.one_hot(place_B, batch.item_BL.shape[1]).bool()
        gone_BLP = (term_BLP[..., None] == term_BW[:, None, None]).any(-1) & (term_BLP > 0) & here_BL[..., None]
        parts = Presence(part_presence={"words": (~gone_BLP).to(self.whole_B.dtype)})
        return self._fall(batch.but(**vars(batch.dimmed(parts))))

    def _fall(self, changed: Batch) -> Tensor:
        return self.whole_B - self._value(changed)

    def _value(self, batch: Batch) -> Tensor:
        return log_probability(self.asked.model, batch, self.asked.item_B, self.asked.among_BK)


def terms_of(item_X: Tensor, catalog: Catalog, term_X: Tensor) -> Tensor:
    """The numbers of the words of some items, term_XP: as wide as the longest text; 0 padding."""
    offset_N = catalog.ragged("words").offset_N
    length_X = offset_N.diff()[item_X]
    step_P = torch.arange(max(int(length_X.max()), 1), device=item_X.device)
    place_XP = (offset_N[item_X][..., None] + step_P).clamp(max=max(len(term_X) - 1, 0))
    valid_XP = step_P < length_X[..., None]
    return term_X[place_XP] * valid_XP if len(term_X) else torch.zeros_like(place_XP)
