"""The past act that speaks most for an item, checked: without it the item's score is lower."""

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.evaluation.erasure import erase_events
from engine.evaluation.influence import influence, log_probability
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import Recommender


def heaviest_act(model: Recommender, batch: Batch, item_B: Tensor, catalog: Catalog, among_BK: Tensor) -> Tensor:
    """The place in each row's history of the act of the greatest influence, place_B; -1 where there is none to name:
    the model reads no history, no act speaks for the item, or leaving that one out does not lower its log-probability.

    `among_BK`: items among which those are compared that a model can only score one by one.
    """
    nowhere_B = torch.full_like(item_B, -1)
    found = influence(model, batch, item_B, catalog, ("history",), among_BK)
    if not found or not batch.item_BL.shape[1]:
        return nowhere_B
    weight_BL = found[0].value.masked_fill(~found[0].valid, -torch.inf)
    most_B, place_B = weight_BL.max(1)
    gone_BL = F.one_hot(place_B, batch.item_BL.shape[1]).bool()
    with torch.no_grad():
        with_B = log_probability(model, batch, item_B, among_BK)
        without_B = log_probability(model, erase_events(batch, gone_BL), item_B, among_BK)
    return torch.where((most_B > 0) & (without_B < with_B), place_B, nowhere_B)
