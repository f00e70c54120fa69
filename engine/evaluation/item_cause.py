"""What of an item itself speaks most for it, checked: words of its text, a region of its picture, or a whole part."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.evaluation.item_parts import ItemsWithout
from engine.evaluation.nameable import Nameable
from engine.evaluation.named_words import NAMED, heaviest_terms, words_of
from engine.evaluation.own_part import InParts, PartCauses, part_causes
from engine.evaluation.question import Question


@dataclass(frozen=True)
class ItemCauses:
    """term_BW: of each row's item the words without which its score falls, by their numbers, 0 none; region_B: the
    region of its picture without which it falls further than without them, from 0, -1 none. part: of a model that tells
    parts of its items apart, in the place of both.
    """

    term_BW: Tensor
    region_B: Tensor
    part: PartCauses | None = None


@torch.no_grad()
def item_causes(asked: Question, names: Nameable) -> ItemCauses:
    """The heaviest words by leaving each out, whose places together were tried, or the heaviest region; or the part."""
    item_B, views, term_X = asked.item_B, asked.model.needs.views, names.term_X
    term_BW, lost_B = item_B.new_zeros(len(item_B), NAMED), torch.zeros(len(item_B), device=item_B.device)
    region_B = torch.full_like(item_B, -1)
    if isinstance(asked.model, InParts):
        return ItemCauses(term_BW, region_B, part_causes(asked, asked.model, names))
    if term_X is not None and "words" in views:
        term_BP = words_of(item_B, asked.catalog, term_X)
        items = ItemsWithout(asked, "word")
        weight_BP = items.each()
        longest = weight_BP.shape[1]  # the terms are one wide at least
        term_BW = heaviest_terms(F.pad(weight_BP, (0, term_BP.shape[1] - longest)), term_BP)
        gone_BP = (term_BP[..., None] == term_BW[:, None]).any(-1) & (term_BP > 0)
        lost_B = items.falls(gone_BP[:, :longest])
        term_BW = term_BW * (lost_B > 0)[:, None]
    if names.regions and "regions" in views:
        fall_BM = ItemsWithout(asked, "region").each()
        most_B, place_B = fall_BM.max(1) if fall_BM.shape[1] else (lost_B, region_B)
        region_B = torch.where(most_B > lost_B.clamp(min=0), place_B, -1)
    return ItemCauses(term_BW * (region_B < 0)[:, None], region_B)
