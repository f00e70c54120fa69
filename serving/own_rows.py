"""Whether a model knows people by rows of its own, so that it can say nothing of somebody new."""

import torch

import models
from engine.tables.settings import Choice
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import Recommender

PEOPLE, ITEMS = 64, 64  # of which scores are compared


def has_own_rows(model: Recommender, choice: Choice, catalog: Catalog, users: int, batch: Batch) -> bool:
    """Both must hold: the weights have a table that would be longer if there were more people, and one history (the row
    of `batch`) has other scores where somebody else is said to have it. A graph of who chose what is the first alone,
    what is known of somebody by the way the second alone; neither keeps a model from serving somebody new.
    """
    if not any(value.ndim and len(value) == users + 1 for value in model.state_dict().values()):
        return False
    return _grows(model, choice, catalog, users) and _differs(model, users, catalog.items, batch)


def _grows(model: Recommender, choice: Choice, catalog: Catalog, users: int) -> bool:
    """Whether a table with a row a person has one more where there is one more; another may be as long by chance."""
    long = {name for name, value in model.state_dict().items() if value.ndim and len(value) == users + 1}
    with torch.random.fork_rng():
        more = models.build(choice, catalog, users + 1).state_dict()
    return any(len(more[name]) == users + 2 for name in long)


@torch.no_grad()
def _differs(model: Recommender, users: int, items: int, batch: Batch) -> bool:
    first = min(1, users - 1)  # nobody, beside a single person
    user_B = torch.linspace(first, users, min(PEOPLE, users + 1 - first), device=batch.user_B.device).long()
    item_BK = torch.linspace(1, items, min(ITEMS, items), device=batch.user_B.device).long().expand(1, -1)
    score_BK = torch.cat([model.score(batch.but(user_B=user_B[row : row + 1]), item_BK) for row in range(len(user_B))])
    return bool((score_BK != score_BK[:1]).any())
