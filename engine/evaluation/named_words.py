"""The words of a text that speak most for an item, each by its number."""

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import Weights

NAMED = 2  # words at most


def words_of(item_X: Tensor, catalog: Catalog, term_X: Tensor) -> Tensor:
    """The numbers of the words of some items, term_XP: as wide as the longest text; 0 padding."""
    offset_N = catalog.ragged("words").offset_N
    length_X = offset_N.diff()[item_X]
    step_P = torch.arange(max(int(length_X.max()), 1), device=item_X.device)
    place_XP = (offset_N[item_X][..., None] + step_P).clamp(max=max(len(term_X) - 1, 0))
    valid_XP = step_P < length_X[..., None]
    return term_X[place_XP] * valid_XP if len(term_X) else torch.zeros_like(place_XP)


def heaviest_words(words: Weights, batch: Batch, catalog: Catalog, place_B: Tensor, term_X: Tensor) -> Tensor:
    """The words of the greatest influence in the act's text, if it is for the item; 0 none."""
    term_BP = words_of(batch.item_BL.gather(1, place_B[:, None])[:, 0], catalog, term_X)
    row_B = torch.arange(len(place_B), device=place_B.device)
    return heaviest_terms(words.value[row_B, place_B][:, : term_BP.shape[1]], term_BP)


def heaviest_terms(weight_BP: Tensor, term_BP: Tensor) -> Tensor:
    """The words that weigh most by all their places together, above 0, term_BW; 0 none."""
    same_BPP = term_BP[:, :, None] == term_BP[:, None, :]
    sum_BP = (same_BPP * weight_BP[:, None, :]).sum(-1)
    step_P = torch.arange(term_BP.shape[1], device=term_BP.device)
    first_BP = same_BPP.long().argmax(-1) == step_P  # a word that stands in several places is named once
    sum_BP = sum_BP.masked_fill(~(first_BP & (term_BP > 0)), -torch.inf)
    some = min(NAMED, sum_BP.shape[1])
    most_BW, place_BW = sum_BP.topk(some, dim=1)
    return F.pad(term_BP.gather(1, place_BW) * (most_BW > 0), (0, NAMED - some))


def acts_with(batch: Batch, catalog: Catalog, term_BW: Tensor, term_X: Tensor) -> Tensor:
    """In the texts of how many acts of its row each word stands."""
    term_BLP = words_of(batch.item_BL, catalog, term_X)
    counts = [(term_BLP == term_B[:, None, None]).any(-1).sum(1) for term_B in term_BW.T]
    return torch.stack(counts, 1) * (term_BW > 0)
