"""The sentence beside a recommendation, as the stage `recommend` writes it: what it names was checked."""

from torch import Tensor

from engine.evaluation.cause import causes
from engine.evaluation.question import Question
from engine.training.batch import Batch
from serving.model import Model


def sentences(model: Model, batch: Batch, item_K: Tensor, among_M: Tensor) -> list[str | None]:
    """A sentence for each of some items after one history (`batch` has one row); None where none could be checked.

    `among_M`: items among which those are compared that a model can only score one by one.
    """
    if not len(item_K):
        return []
    asked = Question.of_each(model.net, batch, item_K[None], model.catalog, among_M[None])
    return model.wording.sentences(causes(asked, model.wording.nameable), asked.batch.item_BL, item_K)
