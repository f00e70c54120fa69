"""Models whose target reads the newest acts alone (FISM, NAIS, IRIS): in a long row too, as it is ranked."""

import pytest
import torch
from torch.nn import functional as F

import models
from engine.tables.settings import Choice
from engine.training.contract import CatalogScorer, Learner
from engine.training.interactions import Interactions
from engine.training.steps import Steps
from tests.models.world import World, section

NO_PENALTY: dict[str, dict[str, object]] = {
    "fism": {"regularisation": 0.0},
    "nais": {"regularisation": 0.0, "attention_regularisation": 0.0, "pretraining": False},
    "iris": {"penalty": {"factors": 0.0, "relevance": 0.0, "views": 0.0, "shared": 0.0}},
}
ACTS = [3, 5, 3, 8, 1, 9, 4, 2, 5, 7]


def built(name: str, world: World, length: int, window: int, recency: bool) -> Learner:
    torch.manual_seed(1)
    changes: dict[str, object] = NO_PENALTY[name] | {
        "history": "before",
        "length": length,
        "window": window,
        "recency": recency,
        "negatives": 2,
    }
    settings = section(name).settings | changes
    model = models.build(Choice(name=name, settings=settings), world.catalog, world.users)
    assert isinstance(model, Learner)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return model.eval()


def one_person(world: World) -> Interactions:
    item_E = torch.tensor(ACTS).numpy()
    columns = {"user": item_E * 0 + 1, "item": item_E, "event": torch.arange(1, len(ACTS) + 1).numpy()}
    return Interactions.of(columns, world.catalog.items)


@pytest.mark.parametrize("recency", [False, True])
@pytest.mark.parametrize("name", list(NO_PENALTY))
@pytest.mark.parametrize(("length", "window"), [(2, 20), (3, 4), (20, 5)])
def test_a_target_of_a_long_row_is_learnt_after_the_acts_that_it_is_ranked_by(
    name: str, length: int, window: int, recency: bool, world: World
) -> None:
    """The loss of an epoch is that of each act scored after its newest `length` acts, but where a row begins."""
    model, train = built(name, world, length, window, recency), one_person(world)
    assert isinstance(model, CatalogScorer)
    assert model.needs.span == max(length, window)
    rows = [batch for batch, _ in Steps(train, model.needs, 64).epoch(torch.Generator().manual_seed(1))]
    assert sum(int((batch.item_BL > 0).sum()) for batch in rows) == len(ACTS) - 1
    for batch in rows:
        assert batch.target_BL is not None
        assert batch.negative_BLK is not None
        total, count = torch.zeros(()), 0
        for b, place in (batch.target_BL > 0).nonzero().tolist():
            first = int(batch.event_BL[b, 0]) - 1
            at = torch.tensor([first + place + 1])
            past = train.rows(torch.maximum(at - length, torch.tensor(first)), at, torch.tensor([1]), model.needs)
            asked_BK = torch.cat([batch.target_BL[b, place][None], batch.negative_BLK[b, place]])[None]
            score_K = model.score(past, asked_BK)[0]
            total = total + F.softplus(-score_K[0]) + F.softplus(score_K[1:]).sum()
            count += 1
        torch.testing.assert_close(model.loss(batch), total / count, rtol=1e-4, atol=2e-6)
