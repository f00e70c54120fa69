"""What each word, and each region, of the asked item itself does to its score: what the score is without it.

Words and regions of the acts of a history are another matter: `readings.read`.
"""

from dataclasses import replace

import torch
from torch import Tensor

from engine.evaluation.erasure import select_rows
from engine.evaluation.influence import VIEWS, ItemPart
from engine.evaluation.question import Question
from engine.evaluation.rate import rates
from engine.training.batch import Batch
from engine.training.contract import Recommender, Weights

PARTS = 1 << 16  # that the mean is taken from


@torch.no_grad()
def item_influence(asked: Question) -> list[Weights]:
    """What the absence of each word, or region, of the asked item takes from its log-probability: the reading that is
    best against known causes (docs/reasons.md). Nothing of what no row's score hangs on.
    """
    asked.model.eval()
    told = [over for over, view in VIEWS.items() if view in asked.model.needs.views]
    if not told or rates(asked.model):
        return []
    whole_B1 = asked.value(asked.batch, torch.arange(len(asked.item_B), device=asked.item_B.device))[:, None]
    found = []
    for over in told:
        one = leaving_parts_out(asked, over)
        if bool(one.value.any()):
            lost_BP = log_probability_lost(whole_B1, one.value.double()).to(one.value.dtype)
            found.append(replace(one, value=lost_BP))
    return found


def log_probability_lost(whole_BX: Tensor, fall_BX: Tensor) -> Tensor:
    """What a log-probability loses where its own score falls and no other does."""
    return fall_BX + torch.log1p(whole_BX.exp() * torch.expm1(-fall_BX))


@torch.no_grad()
def leaving_parts_out(asked: Question, over: ItemPart) -> Weights:
    """How far each asked item's score falls without each of its words, or regions, alone."""
    items = ItemsWithout(asked, over)
    return Weights(items.each(), over, "signed", False, items.valid_BP, asked.item_B)


class ItemsWithout:
    """The scores of the asked items, some of whose words, or regions, have the mean vector of the catalogue's: zeros
    would be far out to a model that counts from the mean. A row whose score is the same without any of them does not
    hang on them, and is not asked again. No other item's score changes.
    """

    def __init__(self, asked: Question, over: ItemPart):
        ragged, self.asked, item_B = asked.catalog.ragged(VIEWS[over]), asked, asked.item_B
        self.value_XD, self.start_B, length_B = ragged.value_XD, ragged.offset_N[item_B], ragged.offset_N.diff()[item_B]
        some_XD = ragged.value_XD[:: max(len(ragged.value_XD) // PARTS, 1)]
        self.mean_D = some_XD.float().mean(0).to(some_XD.dtype)
        step_P = torch.arange(int(length_B.max()) if len(length_B) else 0, device=item_B.device)
        self.valid_BP = step_P < length_B[:, None]
        self.read_B = torch.ones_like(item_B, dtype=torch.bool)
        self.own_B = torch.zeros(len(item_B), device=item_B.device)
        self.own_B = self._without(torch.zeros_like(self.valid_BP), self.read_B)
        self.read_B = self.falls(self.valid_BP) != 0

    def falls(self, gone_BP: Tensor) -> Tensor:
        """How far each score goes down where some parts are gone, fall_B."""
        gone_BP = gone_BP & self.valid_BP
        return self.own_B - self._without(gone_BP, self.read_B & gone_BP.any(1))

    def each(self) -> Tensor:
        """The fall where each part alone is gone, fall_BP; 0 where there is none."""
        one_PP = torch.eye(self.valid_BP.shape[1], dtype=torch.bool, device=self.valid_BP.device)
        falls = [self.falls(one_P.expand_as(self.valid_BP)) for one_P in one_PP]
        return torch.stack(falls, 1) if falls else self.own_B.new_zeros(self.valid_BP.shape)

    def _without(self, gone_BP: Tensor, which_B: Tensor) -> Tensor:
        """The scores of some rows anew, the others as they are."""
        score_B, item_B = self.own_B.clone(), self.asked.item_B
        for row_R in _turns(self.asked.model, item_B, gone_BP):
            row_R = row_R[which_B[row_R]]
            if len(row_R):
                which_X, part_X = gone_BP[row_R].nonzero(as_tuple=True)
                places = self.start_B[row_R][which_X] + part_X
                score_B[row_R] = self._changed(select_rows(self.asked.batch, row_R), item_B[row_R], places)
        return score_B

    def _changed(self, batch: Batch, item_R: Tensor, place_X: Tensor) -> Tensor:
        """The catalogue's own table is changed and put back: every model that reads it holds it."""
        kept_XD = self.value_XD[place_X].clone()
        self.value_XD[place_X] = self.mean_D
        try:
            return self.asked.model.score(batch, item_R[:, None])[:, 0].float()
        finally:
            self.value_XD[place_X] = kept_XD


def _turns(model: Recommender, item_B: Tensor, gone_BP: Tensor) -> list[Tensor]:
    """Rows that can be asked together: parts are changed where all read them, so that rows of one item of which other
    parts are gone take turns, and each row is alone where histories are read, which may hold the others' items.
    """
    if model.needs.length:
        return list(torch.split(torch.arange(len(item_B), device=item_B.device), 1))
    alike_UX, place_B = torch.unique(torch.cat([item_B[:, None], gone_BP.long()], 1), dim=0, return_inverse=True)
    _, group_U, count_I = torch.unique_consecutive(alike_UX[:, 0], return_inverse=True, return_counts=True)
    turn_U = torch.arange(len(alike_UX), device=item_B.device) - (count_I.cumsum(0) - count_I)[group_U]
    turn_B = turn_U[place_B]
    return [(turn_B == turn).nonzero()[:, 0] for turn in range(int(turn_U.max()) + 1 if len(turn_U) else 0)]
