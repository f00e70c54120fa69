"""The sentence beside a recommendation: what speaks most for it, where leaving that out lowers its chance."""

import torch
from torch import Tensor

from engine.evaluation.cause import heaviest_act
from engine.evaluation.erasure import select_rows
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import Recommender
from serving.names import Names


def sentences(
    model: Recommender, batch: Batch, item_K: Tensor, catalog: Catalog, names: Names, among_M: Tensor
) -> list[str | None]:
    """A sentence for each of some items after one history (`batch` has one row); None where none could be checked.

    `among_M`: items among which those are compared that a model can only score one by one.
    """
    if not len(item_K):
        return []
    each = select_rows(batch, torch.zeros_like(item_K))
    place_K = heaviest_act(model, each, item_K, catalog, among_M.expand(len(item_K), -1))
    found: list[str | None] = []
    for row, place in enumerate(place_K.tolist()):
        act = names.item(int(each.item_BL[row, place])).title if place >= 0 else None
        found.append(None if act is None else f"because of {act}")
    return found
