"""iALS: each side by hand, an objective that only falls, people who were not there, and the ridge regressions."""

from typing import Any

import pytest
import torch
from torch import Tensor

import models
from engine.tables.settings import Choice
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from models.blocks import ridge
from models.ials import IALS
from tests.models.test_item_similarity import HISTORIES, X, rows
from tests.models.world import World

FIXED = {"dim": 3, "unobserved": 0.2, "penalty": 0.05, "length": 9}


def solved(**settings: Any) -> IALS:
    torch.manual_seed(1)
    model = models.build(Choice(name="ials", settings=FIXED | settings), Catalog(4), len(HISTORIES))
    assert isinstance(model, IALS)
    model.solve(World(HISTORIES, 4).interactions())
    return model


def row(chosen_N: Tensor, other_ND: Tensor, ridge_: float) -> Tensor:
    """A half sweep's equation of one row, written out."""
    gram_DD = 0.2 * other_ND.T @ other_ND + ridge_ * torch.eye(other_ND.shape[1])
    picked_KD = other_ND[chosen_N > 0]
    return torch.linalg.solve(gram_DD + picked_KD.T @ picked_KD, picked_KD.sum(0))


def objective(user_UD: Tensor, item_ND: Tensor, scaling: float) -> float:
    found_UN = user_UD @ item_ND.T
    costs = ((found_UN - 1) ** 2 * X).sum() + 0.2 * (found_UN**2).sum()
    of_users = ((X.sum(1) + 0.2 * 4) ** scaling * (user_UD**2).sum(1)).sum()
    return float(costs + 0.05 * (of_users + ((X.sum(0) + 0.2 * 4) ** scaling * (item_ND**2).sum(1)).sum()))


def people(model: IALS) -> Tensor:
    """The factors of everyone in training, from their histories."""
    return model.query(rows(*HISTORIES))


@pytest.mark.parametrize("scaling", [1.0, 0.5, 0.0])
def test_a_sweep_by_hand(scaling: float) -> None:
    model = solved(scaling=scaling, sweeps=1)
    start_ND = model.start_ND[1:]
    user_UD = torch.stack([row(x, start_ND, 0.05 * (float(x.sum()) + 0.8) ** scaling) for x in X])
    item_ND = torch.stack([row(x, user_UD, 0.05 * (float(x.sum()) + 0.8) ** scaling) for x in X.T])
    new_UD = torch.stack([row(x, item_ND, 0.05 * (float(x.sum()) + 0.8) ** scaling) for x in X])
    torch.testing.assert_close(model.item_ND[1:] @ model.item_ND[1:].T, item_ND @ item_ND.T, rtol=1e-4, atol=1e-6)
    found_UN = model.score_all(rows(*HISTORIES))[:, 1:]
    torch.testing.assert_close(found_UN, new_UD @ item_ND.T, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("scaling", [1.0, 0.0])
def test_the_objective_only_falls_and_its_slope_is_zero_at_the_end(scaling: float) -> None:
    costs = []
    for sweeps in (1, 2, 4, 300):
        model = solved(scaling=scaling, sweeps=sweeps)
        costs.append(objective(people(model), model.item_ND[1:], scaling))
    assert costs == sorted(costs, reverse=True)
    user_UD, item_ND = people(model).requires_grad_(), model.item_ND[1:].clone().requires_grad_()
    found_UN = user_UD @ item_ND.T
    loss = ((found_UN - 1) ** 2 * X).sum() + 0.2 * (found_UN**2).sum()
    loss = loss + 0.05 * ((X.sum(1) + 0.8) ** scaling * (user_UD**2).sum(1)).sum()
    loss = loss + 0.05 * ((X.sum(0) + 0.8) ** scaling * (item_ND**2).sum(1)).sum()
    for slope in torch.autograd.grad(loss, [user_UD, item_ND]):
        torch.testing.assert_close(slope, torch.zeros_like(slope), rtol=0, atol=1e-3)


def test_nobody_of_training_and_nothing_read() -> None:
    """A stranger with the same history gets the same; nobody's history, and an item that nobody chose, score 0."""
    torch.manual_seed(1)
    model = models.build(Choice(name="ials", settings=FIXED | {"length": [9, 1]}), Catalog(5), len(HISTORIES))
    assert isinstance(model, IALS)
    model.solve(World(HISTORIES, 5).interactions())
    batch = rows([2, 1], [], [2, 1, 1])
    known = batch.but(user_B=torch.tensor([2, 3, 4]))
    score_BN = model.score_all(batch)
    assert torch.equal(score_BN, model.score_all(known))
    torch.testing.assert_close(score_BN[2], score_BN[0])
    assert not score_BN[1].any()
    assert not score_BN[:, 5].any()
    model.choose(model.choices[1])  # the last event alone
    torch.testing.assert_close(model.score_all(batch)[0], model.score_all(rows([1]))[0])


def test_what_events_add_is_the_score() -> None:
    model, batch = solved(sweeps=8), rows([1, 3, 2], [4, 4], [])
    for item in (1, 4):
        (reason,) = model.explain(batch, torch.full((3,), item))
        score_B = model.score(batch, torch.full((3, 1), item))[:, 0]
        torch.testing.assert_close(reason.value.sum(1), score_B)
        assert score_B[0] != 0


@pytest.mark.parametrize("dim", [3, 20])
def test_compiled_rows_are_those_of_torch(dim: int) -> None:
    """Fewer events than numbers, more, and many more than are taken together; by loops and by torch."""
    generator = torch.Generator().manual_seed(2)
    histories = [torch.randint(1, 400, (n,), generator=generator).tolist() for n in (1, 2, 9, 30, 300)]
    torch.manual_seed(3)
    model = models.build(Choice(name="ials", settings=FIXED | {"dim": dim, "length": 500}), Catalog(400), 5)
    assert isinstance(model, IALS)
    model.item_ND[1:], model.spread_D[:] = torch.randn(400, dim), torch.rand(dim)
    batch = rows(*histories, [])
    learnt: Batch = batch.but(presence_BL=torch.rand(batch.item_BL.shape, generator=generator).requires_grad_())
    by_torch = model.query(learnt)
    assert by_torch.requires_grad
    assert learnt.presence_BL is not None
    by_loops = model.query(learnt.but(presence_BL=learnt.presence_BL.detach()))
    torch.testing.assert_close(by_loops, by_torch.detach(), rtol=1e-3, atol=1e-4)


def test_threads_share_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(2)
    length_R = torch.randint(0, 30, (500,), generator=generator)
    offset_R = torch.cat([torch.zeros(1, dtype=torch.int64), length_R.cumsum(0)])
    index_X = torch.randint(0, 50, (int(offset_R[-1]),), generator=generator)
    events = ridge.Events.alike(offset_R.numpy(), index_X.numpy())
    given = (events, torch.randn(50, 6, generator=generator), torch.ones(6), torch.ones(500))
    one = ridge.solve(*given)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert torch.equal(ridge.solve(*given), one)
    assert bool((one != 0).any(1).eq(length_R > 0).all())
