"""Whether a model knows people by rows of its own, so that it can say nothing of somebody new."""

import torch

from engine.training.batch import Batch
from engine.training.contract import Recommender

PEOPLE, ITEMS = 64, 64  # of which scores are compared


@torch.no_grad()
def has_own_rows(model: Recommender, batch: Batch, users: int, items: int) -> bool:
    """Both must hold: the weights have a table with a row a person, and one history has other scores where somebody
    else is said to have it. Graphs of who chose what are the first alone, what is known of somebody by the way the
    second alone; neither keeps a model from serving somebody new.

    `batch`: one history.
    """
    if not any(value.ndim and value.shape[0] == users + 1 for value in _tables(model)):
        return False
    user_B = torch.linspace(1, users, min(PEOPLE, users), device=batch.user_B.device).long()
    item_BK = torch.linspace(1, items, min(ITEMS, items), device=batch.user_B.device).long().expand(1, -1)
    score_BK = torch.cat([model.score(batch.but(user_B=user_B[row : row + 1]), item_BK) for row in range(len(user_B))])
    return bool((score_BK != score_BK[:1]).any())


def _tables(model: Recommender) -> list[torch.Tensor]:
    return [*model.parameters(), *model.buffers()]
