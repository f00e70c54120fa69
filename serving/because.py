"""The sentence beside a recommendation, as the stage `recommend` writes it: what it names was checked."""

import torch
from torch import Tensor

from engine.evaluation.cause import causes
from engine.evaluation.erasure import select_rows
from engine.training.batch import Batch
from serving.model import Model


def sentences(model: Model, batch: Batch, item_K: Tensor, among_M: Tensor) -> list[str | None]:
    """A sentence for each of some items after one history (`batch` has one row); None where none could be checked.

    `among_M`: items among which those are compared that a model can only score one by one.
    """
    if not len(item_K):
        return []
    each = select_rows(batch, torch.zeros_like(item_K))
    among_KM = among_M.expand(len(item_K), -1)
    found = causes(model.net, each, item_K, model.catalog, among_KM, model.wording.nameable)
    return model.wording.sentences(found, each.item_BL, item_K)
