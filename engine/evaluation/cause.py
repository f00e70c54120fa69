"""What speaks most for an item, checked: the past act, and of it the words, the picture or the text.

Found by the reading that leads (`readings.LEADING`); each thing that is named was taken away, and the item's
log-probability fell.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.evaluation.readings import LEADING, Question, read
from engine.evaluation.taken_away import PICTURE, TEXT, TakenAway, terms_of
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import Recommender, Weights

NAMED = 2  # words at most
TRIED = 3  # acts at most, the heaviest first


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
    if not model.needs.length or not batch.item_BL.shape[1]:
        return nothing(item_B)
    telling = Telling.of(asked, term_X)
    return telling.inside(telling.first())


def nothing(item_B: Tensor) -> Causes:
    """No act to name."""
    none_B = torch.zeros_like(item_B, dtype=torch.bool)
    none_BW = item_B.new_zeros(len(item_B), NAMED)
    return Causes(torch.full_like(item_B, -1), none_BW, none_BW, none_B, none_B)


@dataclass(frozen=True)
class Telling:
    """What the leading reading weighs of some histories of an act or more, by what it is over, and what was checked."""

    found: dict[str, Weights]
    away: TakenAway
    term_X: Tensor | None

    @staticmethod
    def of(asked: Question, term_X: Tensor | None) -> "Telling":
        """The reading, asked."""
        weights = read(asked, LEADING, ("history", "word", "view"))
        return Telling({one.over: one for one in weights}, TakenAway(asked), term_X)

    @property
    def weight_BL(self) -> Tensor:
        """Of the acts; -inf on padding."""
        acts = self.found["history"]
        return acts.value.masked_fill(~acts.valid, -torch.inf)

    def first(self, fall_BL: Tensor | None = None) -> Tensor:
        """The place of the heaviest act without which the item's log-probability is lower, of the first `TRIED` that
        speak for it, place_B; -1 none. `fall_BL`: falls that are known already, of these acts at least.
        """
        weight_BL = self.weight_BL
        weight_BA, act_BA = weight_BL.topk(min(TRIED, weight_BL.shape[1]), dim=1)
        place_B = torch.full_like(act_BA[:, 0], -1)
        for weight_B, act_B in zip(weight_BA.T, act_BA.T, strict=True):
            row_R = ((place_B < 0) & (weight_B > 0)).nonzero()[:, 0]
            if not len(row_R):
                break
            act_R = act_B[row_R]
            fall_R = self.away.of(row_R).act(act_R) if fall_BL is None else fall_BL[row_R, act_R]
            place_B[row_R[fall_R > 0]] = act_R[fall_R > 0]
        return place_B

    def inside(self, place_B: Tensor) -> Causes:
        """What may be said of the act at a place (-1: nothing), whose own absence was checked."""
        batch, catalog, away = self.away.asked.batch, self.away.asked.catalog, self.away
        named_B, place_B = place_B >= 0, place_B.clamp(min=0)
        row_B = torch.arange(len(place_B), device=place_B.device)
        none = nothing(place_B)
        has_views = "view" in self.found
        weight_B2 = self.found["view"].value[row_B, place_B] if has_views else away.whole_B.new_zeros(len(place_B), 2)
        shown_B = named_B & (weight_B2[:, PICTURE] > weight_B2[:, TEXT].clamp(min=0))
        read_B = named_B & ~shown_B & (weight_B2[:, TEXT] > 0)
        picture_B = shown_B & (away.view(place_B, PICTURE) > 0) if bool(shown_B.any()) else none.picture_B
        term_BW, acts_BW, words = none.term_BW, none.acts_BW, self.found.get("word")
        if words is not None and words.value.shape[2] and self.term_X is not None and bool(read_B.any()):
            term_BW = _terms(words, batch, catalog, place_B, self.term_X) * read_B[:, None]
            term_BW = term_BW * (away.terms(place_B, term_BW, self.term_X) > 0)[:, None]
            acts_BW = _acts(batch, catalog, term_BW, self.term_X)
        read_B = read_B & (term_BW[:, 0] == 0)
        text_B = read_B & (away.view(place_B, TEXT) > 0) if bool(read_B.any()) else none.text_B
        return Causes(torch.where(named_B, place_B, -1), term_BW, acts_BW, picture_B, text_B)


def _terms(words: Weights, batch: Batch, catalog: Catalog, place_B: Tensor, term_X: Tensor) -> Tensor:
    """The words of the greatest influence by all their places in the act's text, if it is for the item; 0 none."""
    term_BP = terms_of(batch.item_BL.gather(1, place_B[:, None])[:, 0], catalog, term_X)
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
    term_BLP = terms_of(batch.item_BL, catalog, term_X)
    counts = [(term_BLP == term_B[:, None, None]).any(-1).sum(1) for term_B in term_BW.T]
    return torch.stack(counts, 1) * (term_BW > 0)
