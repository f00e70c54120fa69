"""What speaks most for an item, checked: the past act, and of it the words, the picture or the text.

Found by the reading that leads (`readings.LEADING`); each thing that is named was taken away, and the item's
log-probability fell.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.evaluation.erasure import erase_events, select_rows
from engine.evaluation.influence import all_present, log_probability, presence
from engine.evaluation.readings import LEADING, Question, read
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import Recommender, Weights
from engine.training.presence import Presence

NAMED = 2  # words at most
TRIED = 3  # acts at most, the heaviest first
PICTURE, TEXT = 0, 1  # of the view axis


@dataclass(frozen=True)
class Causes:
    """What may be said of one item a row.

    place_B: the place of the act in the row's history; -1 where there is none to name. term_BW: of its item the words
    that count most, the heaviest first, by their numbers, 0 none; acts_BW: in the texts of how many acts of the row
    each stands. picture_B, text_B: whether its picture, or its text where no word is named, may be named.
    """

    place_B: Tensor
    term_BW: Tensor
    acts_BW: Tensor
    picture_B: Tensor
    text_B: Tensor


@torch.no_grad()
def causes(
    model: Recommender,
    batch: Batch,
    item_B: Tensor,
    catalog: Catalog,
    among_BK: Tensor,
    term_X: Tensor | None = None,
) -> Causes:
    """The act of the greatest influence on each row's item, and what of the act counts most.

    An act is named only if leaving it out lowers the item's log-probability: else the next heaviest, of the first
    three that speak for the item. Words, picture and text are held to the same. `among_BK`: items among which those
    are compared that a model can only score one by one. `term_X`: the number of each word of the catalog's flat table,
    0 for those that are not to be named (None: no words are).
    """
    asked = Question(model, batch, item_B, catalog, among_BK)
    found = {one.over: one for one in read(asked, LEADING, ("history", "word", "view"))}
    none_B = torch.zeros_like(item_B, dtype=torch.bool)
    none_BW = item_B.new_zeros(len(item_B), NAMED)
    nothing = Causes(torch.full_like(item_B, -1), none_BW, none_BW, none_B, none_B)
    if "history" not in found or not batch.item_BL.shape[1]:
        return nothing
    check = _Check(model, batch, item_B, catalog, among_BK)
    place_B = _act(found["history"], check)
    named_B, place_B = place_B >= 0, place_B.clamp(min=0)
    row_B = torch.arange(len(item_B), device=item_B.device)
    weight_B2 = found["view"].value[row_B, place_B] if "view" in found else check.whole_B.new_zeros(len(item_B), 2)
    shown_B = named_B & (weight_B2[:, PICTURE] > weight_B2[:, TEXT].clamp(min=0))
    read_B = named_B & ~shown_B & (weight_B2[:, TEXT] > 0)
    picture_B = shown_B & check.without_view(place_B, "image") if bool(shown_B.any()) else none_B
    term_BW, acts_BW = none_BW, none_BW
    if "word" in found and found["word"].value.shape[2] and term_X is not None and bool(read_B.any()):
        term_BW = _terms(found["word"], batch, catalog, place_B, term_X) * read_B[:, None]
        term_BW = term_BW * check.without_terms(place_B, term_BW, term_X)[:, None]
        acts_BW = _acts(batch, catalog, term_BW, term_X)
    read_B = read_B & (term_BW[:, 0] == 0)
    text_B = read_B & check.without_view(place_B, "text") if bool(read_B.any()) else none_B
    return Causes(torch.where(named_B, place_B, -1), term_BW, acts_BW, picture_B, text_B)


def _act(reason: Weights, check: "_Check") -> Tensor:
    """The place of the heaviest act without which the item's log-probability is lower, place_B; -1 none."""
    weight_BL = reason.value.masked_fill(~reason.valid, -torch.inf)
    weight_BA, act_BA = weight_BL.topk(min(TRIED, weight_BL.shape[1]), dim=1)
    place_B = torch.full_like(act_BA[:, 0], -1)
    for weight_B, act_B in zip(weight_BA.T, act_BA.T, strict=True):
        row_R = ((place_B < 0) & (weight_B > 0)).nonzero()[:, 0]
        if not len(row_R):
            break
        lower_R = check.of(row_R).without_act(act_B[row_R])
        place_B[row_R[lower_R]] = act_B[row_R[lower_R]]
    return place_B


class _Check:
    """Whether an item's log-probability falls when something of a row's history is taken away."""

    def __init__(self, model: Recommender, batch: Batch, item_B: Tensor, catalog: Catalog, among_BK: Tensor):
        self.model, self.batch, self.item_B, self.catalog, self.among_BK = model, batch, item_B, catalog, among_BK
        self.whole_B = log_probability(model, batch, item_B, among_BK)

    def of(self, row_R: Tensor) -> "_Check":
        """The same for some rows."""
        if len(row_R) == len(self.item_B):
            return self
        rows = select_rows(self.batch, row_R)
        return _Check(self.model, rows, self.item_B[row_R], self.catalog, self.among_BK[row_R])

    def without_act(self, place_B: Tensor) -> Tensor:
        """The act at a place left out."""
        gone_BL = F.one_hot(place_B, self.batch.item_BL.shape[1]).bool()
        return self._lower(erase_events(self.batch, gone_BL))

    def without_view(self, place_B: Tensor, view: str) -> Tensor:
        """What a view gives to the act at a place silenced."""
        ones = [one for one in all_present(self.model, self.batch, self.item_B, self.catalog) if one.over == "view"]
        row_B = torch.arange(len(place_B), device=place_B.device)
        value_BL2 = ones[0].value.detach().clone()
        value_BL2[row_B, place_B, PICTURE if view == "image" else TEXT] = 0
        parts = presence([Weights(value_BL2, "view", "signed", False, ones[0].valid)])
        return self._lower(self.batch.but(**vars(self.batch.dimmed(parts))))

    def without_terms(self, place_B: Tensor, term_BW: Tensor, term_X: Tensor) -> Tensor:
        """All places of some words in the text of the act at a place silenced."""
        term_BLP = _words_of(self.batch.item_BL, self.catalog, term_X)
        here_BL = F.one_hot(place_B, self.batch.item_BL.shape[1]).bool()
        gone_BLP = (term_BLP[..., None] == term_BW[:, None, None]).any(-1) & (term_BLP > 0) & here_BL[..., None]
        parts = Presence(part_presence={"words": (~gone_BLP).to(self.whole_B.dtype)})
        return self._lower(self.batch.but(**vars(self.batch.dimmed(parts))))

    def _lower(self, changed: Batch) -> Tensor:
        return log_probability(self.model, changed, self.item_B, self.among_BK) < self.whole_B


def _words_of(item_X: Tensor, catalog: Catalog, term_X: Tensor) -> Tensor:
    """The numbers of the words of some items, term_XP: as wide as the longest text; 0 padding."""
    offset_N = catalog.ragged("words").offset_N
    length_X = offset_N.diff()[item_X]
    step_P = torch.arange(max(int(length_X.max()), 1), device=item_X.device)
    place_XP = (offset_N[item_X][..., None] + step_P).clamp(max=max(len(term_X) - 1, 0))
    valid_XP = step_P < length_X[..., None]
    return term_X[place_XP] * valid_XP if len(term_X) else torch.zeros_like(place_XP)


def _terms(words: Weights, batch: Batch, catalog: Catalog, place_B: Tensor, term_X: Tensor) -> Tensor:
    """The words of the greatest influence by all their places in the act's text, if it is for the item; 0 none."""
    term_BP = _words_of(batch.item_BL.gather(1, place_B[:, None])[:, 0], catalog, term_X)
    row_B = torch.arange(len(place_B), device=place_B.device)
    weight_BP = words.value[row_B, place_B][:, : term_BP.shape[1]]
    same_BPP = term_BP[:, :, None] == term_BP[:, None, :]
    sum_BP = (same_BPP * weight_BP[:, None, :]).sum(-1)
    step_P = torch.arange(term_BP.shape[1], device=term_BP.device)
    first_BP = same_BPP.long().argmax(-1) == step_P  # a word that stands in several places is named once
    sum_BP = sum_BP.masked_fill(~(first_BP & (term_BP > 0)), -torch.inf)
    some = min(NAMED, sum_BP.shape[1])
    most_BW, place_BW = sum_BP.topk(some, dim=1)
    return F.pad(term_BP.gather(1, place_BW) * (most_BW > 0), (0, NAMED - some))


def _acts(batch: Batch, catalog: Catalog, term_BW: Tensor, term_X: Tensor) -> Tensor:
    """In the texts of how many acts of its row each word stands."""
    term_BLP = _words_of(batch.item_BL, catalog, term_X)
    counts = [(term_BLP == term_B[:, None, None]).any(-1).sum(1) for term_B in term_BW.T]
    return torch.stack(counts, 1) * (term_BW > 0)
