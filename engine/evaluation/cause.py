"""What speaks most for an item, checked: the past act, and of it the words, the picture or the text; or what is wider.

Found by the reading that leads (`readings.LEADING`); each thing that is named was taken away, and the item's
log-probability fell.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.evaluation.item_cause import ItemCauses, item_causes
from engine.evaluation.nameable import ACT_ALONE, Nameable
from engine.evaluation.named_words import NAMED, acts_with, heaviest_words
from engine.evaluation.question import Question
from engine.evaluation.readings import LEADING, read
from engine.evaluation.taken_away import PICTURE, TEXT, TakenAway
from engine.evaluation.wide_cause import WideCauses, wide_causes
from engine.training.contract import Weights

TRIED = 3  # acts at most, the heaviest first


@dataclass(frozen=True)
class Causes:
    """What may be said of one item a row.

    place_B: the place of the act in the row's history; -1 where there is none to name. term_BW: of its item the words
    that count most, the heaviest first, by their numbers, 0 none; acts_BW: in the texts of how many acts of the row
    each stands. picture_B, text_B: whether its picture, or its text where no word is named, may be named; region_B: the
    region of that picture, from 0, -1 none. wide: what outweighs the act and is to be said in its place. item: of the
    item itself, where no history is read.
    """

    place_B: Tensor
    term_BW: Tensor
    acts_BW: Tensor
    picture_B: Tensor
    text_B: Tensor
    region_B: Tensor
    wide: WideCauses
    item: ItemCauses | None = None


@torch.no_grad()
def causes(asked: Question, names: Nameable = ACT_ALONE) -> Causes:
    """The act of the greatest influence on each row's item, and what of the act counts most; or what is wider.

    An act is named only if leaving it out lowers the item's log-probability: else the next heaviest, of the first
    three that speak for the item. Words, picture and its region, text, and what is wider are held to the same. Where no
    history is read it is the item's own words, a region of its picture, or a part of it (`own_part`).
    """
    if not asked.model.needs.length:
        return replace(nothing(asked.item_B), item=item_causes(asked, names))
    if not asked.batch.item_BL.shape[1]:
        return nothing(asked.item_B)
    telling = Telling.of(asked, names)
    place_B = telling.first()
    return replace(telling.inside(place_B), wide=telling.wide(place_B))


def nothing(item_B: Tensor) -> Causes:
    """No act to name."""
    none_B = torch.zeros_like(item_B, dtype=torch.bool)
    none_BW = item_B.new_zeros(len(item_B), NAMED)
    no_B = torch.full_like(item_B, -1)
    return Causes(no_B, none_BW, none_BW, none_B, none_B, no_B, WideCauses.none(item_B))


@dataclass(frozen=True)
class Telling:
    """What the leading reading weighs of some histories of an act or more, by what it is over, and what was checked."""

    found: dict[str, Weights]
    away: TakenAway
    names: Nameable

    @staticmethod
    def of(asked: Question, names: Nameable) -> "Telling":
        """The reading, asked."""
        over = ("history", "item_history", "word", "view", *(["topic"] if names.topics else []))
        return Telling({one.over: one for one in read(asked, LEADING, over)}, TakenAway(asked), names)

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
        batch, catalog, away, term_X = self.away.asked.batch, self.away.asked.catalog, self.away, self.names.term_X
        named_B, place_B = place_B >= 0, place_B.clamp(min=0)
        row_B = torch.arange(len(place_B), device=place_B.device)
        none = nothing(place_B)
        has_views = "view" in self.found
        weight_B2 = self.found["view"].value[row_B, place_B] if has_views else away.whole_B.new_zeros(len(place_B), 2)
        shown_B = named_B & (weight_B2[:, PICTURE] > weight_B2[:, TEXT].clamp(min=0))
        read_B = named_B & ~shown_B & (weight_B2[:, TEXT] > 0)
        picture_B = shown_B & (away.view(place_B, PICTURE) > 0) if bool(shown_B.any()) else none.picture_B
        term_BW, acts_BW, words = none.term_BW, none.acts_BW, self.found.get("word")
        if words is not None and words.value.shape[2] and term_X is not None and bool(read_B.any()):
            term_BW = heaviest_words(words, batch, catalog, place_B, term_X) * read_B[:, None]
            term_BW = term_BW * (away.terms(place_B, term_BW, term_X) > 0)[:, None]
            acts_BW = acts_with(batch, catalog, term_BW, term_X)
        read_B = read_B & (term_BW[:, 0] == 0)
        text_B = read_B & (away.view(place_B, TEXT) > 0) if bool(read_B.any()) else none.text_B
        region_B = self._region(place_B, picture_B) if self.names.regions else none.region_B
        act_B = torch.where(named_B, place_B, -1)
        return Causes(act_B, term_BW, acts_BW, picture_B, text_B, region_B, none.wide)

    def wide(self, place_B: Tensor) -> WideCauses:
        """What outweighs the act at a place (-1: none)."""
        weight_B = self.found["history"].value.gather(1, place_B.clamp(min=0)[:, None])[:, 0]
        return wide_causes(self.found, self.away, torch.where(place_B >= 0, weight_B, 0), self.names.category_N)

    def _region(self, place_B: Tensor, picture_B: Tensor) -> Tensor:
        """Of the pictures that are named, the region that speaks most for the item, from 0; -1 none."""
        region_B, row_R = torch.full_like(place_B, -1), picture_B.nonzero()[:, 0]
        if not len(row_R):
            return region_B
        for one in read(self.away.asked.some(row_R), LEADING, ("region",)):
            at_R = torch.arange(len(row_R), device=row_R.device)
            weight_RM = one.value[at_R, place_B[row_R]].masked_fill(~one.valid[at_R, place_B[row_R]], -torch.inf)
            most_R, best_R = weight_RM.max(1)
            lower_R = (most_R > 0) & (self.away.of(row_R).region(place_B[row_R], best_R) > 0)
            region_B[row_R[lower_R]] = best_R[lower_R]
        return region_B
