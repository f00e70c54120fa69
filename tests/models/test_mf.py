"""MF: a step by hand, least squares by hand, an objective that only falls, what is unknown, and its relatives."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import models
from engine.tables.settings import Choice
from engine.training.catalog import Catalog
from engine.training.contract import Recommender, Solver
from engine.training.interactions import Interactions
from models.blocks.descent import Ratings
from models.mf import MF
from tests.models.test_iarn import few
from tests.models.world import World

FEW = [(1, 1, 5.0, 1), (1, 2, 3.0, 2), (2, 1, 4.0, 1), (2, 3, 1.0, 2), (3, 2, 2.0, 1)]


def solved(events: Interactions, name: str = "mf", items: int = 4, users: int = 4, **settings: Any) -> Any:
    torch.manual_seed(1)
    model: Recommender = models.build(Choice(name=name, settings=settings), Catalog(items), users)
    assert isinstance(model, Solver)
    model.solve(events)
    return model


def factors(model: MF) -> tuple[Tensor, Tensor]:
    return model.user_UE.clone(), model.item_NE.clone()


def test_one_rating_is_one_step_by_hand() -> None:
    events = few([(1, 1, 4.0, 1)])
    model = solved(events, items=1, users=1, dim=2, epochs=1, penalty=0.1, rate=0.2)
    p, q = model.first_XD[1], model.first_XD[3]
    error = float(4 - (4 + p @ q))  # the mean is 4, biases begin at 0
    expected = [*(p + 0.2 * (error * q - 0.1 * p)).tolist(), 0.2 * error]
    assert model.user_UE[1].tolist() == pytest.approx(expected, rel=1e-5)
    expected = [*(q + 0.2 * (error * p - 0.1 * q)).tolist(), 0.2 * error]
    assert model.item_NE[1].tolist() == pytest.approx(expected, rel=1e-5)


def objective(model: MF, events: Interactions, penalty: float) -> float:
    assert events.rating_E is not None
    user_UE, item_NE = factors(model)
    own_EE, other_EE = user_UE[events.user_E], item_NE[events.item_E]
    biases_E = own_EE[:, -1] + other_EE[:, -1] if model.config.bias == "full" else 0
    found_E = model.mean + biases_E + (own_EE[:, :-1] * other_EE[:, :-1]).sum(1)
    return float(((events.rating_E - found_E) ** 2).sum() + penalty * ((own_EE**2).sum() + (other_EE**2).sum()))


@pytest.mark.parametrize("bias", ["full", "none"])
def test_alternating_least_squares_never_raise_the_objective(bias: str) -> None:
    events = World([[1, 2, 3, 4, 5], [2, 3, 4], [5, 6, 1], [6, 2, 4, 1]], 6).interactions()
    settings = {"dim": 3, "bias": bias, "solver": "als", "penalty": 0.1}
    models_ = [solved(events, items=6, epochs=epochs, **settings) for epochs in (1, 2, 3, 200)]
    costs = [objective(model, events, 0.1) for model in models_]
    assert costs == sorted(costs, reverse=True)
    last = models_[-1]
    user_UE = last.user_UE.clone().requires_grad_()
    original, last.user_UE = last.user_UE, user_UE
    own_EE, other_EE = user_UE[events.user_E], last.item_NE[events.item_E]
    found_E = last.mean + (own_EE[:, -1] + other_EE[:, -1]) * (bias == "full") + (own_EE * other_EE)[:, :-1].sum(1)
    loss = ((events.rating_E - found_E) ** 2).sum() + 0.1 * (own_EE**2).sum()
    (slope,) = torch.autograd.grad(loss, user_UE)
    last.user_UE = original
    torch.testing.assert_close(slope, torch.zeros_like(slope), atol=2e-3, rtol=0)


def test_a_side_of_least_squares_by_hand() -> None:
    """Person 1 rated items 1 and 2 with 5 and 3, the mean is 3: (Q'Q + 2 penalty I) x = Q'(r - 3 - b)."""
    events = few(FEW)
    model = solved(events, dim=2, solver="als", epochs=1, penalty=0.5)
    table_NE = torch.cat([model.first_XD[5:], torch.ones(5, 1)], 1)[[1, 2]].double()
    wanted = torch.linalg.solve(
        table_NE.T @ table_NE + 2 * 0.5 * torch.eye(3), table_NE.T @ torch.tensor([2.0, 0.0], dtype=torch.float64)
    )
    side = model._side(
        (np.array([0, 0, 2]), np.array([1, 2]), np.array([2.0, 0.0], np.float32)),
        torch.cat([model.first_XD[5:], torch.zeros(5, 1)], 1),
    )
    torch.testing.assert_close(side[1].double(), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("solver", ["sgd", "als"])
def test_who_and_what_has_no_rating_is_left_out(solver: str) -> None:
    """Person 4 and item 4 have none: of what is known the biases remain, or the mean where there are none."""
    events = few(FEW)
    batch = events.before(torch.tensor([1, 4, 4]), torch.tensor([0, 0, 0]), models.find("mf").Config().needs)
    item_B = torch.tensor([4, 1, 4])
    model = solved(events, dim=2, solver=solver, epochs=5, penalty=0.1)
    bias_u, bias_i = float(model.user_UE[1, -1]), float(model.item_NE[1, -1])
    assert bias_u != 0 != bias_i
    assert model.rate(batch, item_B).tolist() == pytest.approx([3 + bias_u, 3 + bias_i, 3])
    plain = solved(events, dim=2, solver=solver, epochs=5, penalty=0.1, bias="none")
    assert plain.rate(batch, item_B).tolist() == pytest.approx([3.0, 3.0, 3.0])
    assert plain.rate(batch, torch.tensor([1, 1, 1]))[0] != 3


def test_ratings_that_two_sides_make_are_found_again() -> None:
    """Tastes of rank 2 besides biases: of the ratings left out most is known; by biases alone less."""
    generator = np.random.default_rng(1)
    taste, trait = generator.normal(size=(61, 2)), generator.normal(size=(41, 2))
    rows = [(u, i, float(3 + taste[u] @ trait[i]), i) for u in range(1, 61) for i in range(1, 41)]
    held = generator.random(len(rows)) < 0.2
    kept = few([row for row, out in zip(rows, held, strict=True) if not out])
    asked = [row for row, out in zip(rows, held, strict=True) if out]
    user_B, item_B, rating_B = (torch.tensor([row[place] for row in asked]) for place in range(3))
    batch = kept.before(user_B, torch.zeros_like(user_B), models.find("mf").Config().needs)

    def wrong(model: Any) -> float:
        return float(((model.rate(batch, item_B) - rating_B) ** 2).mean().sqrt())

    by_biases = wrong(solved(kept, "biases", items=40, users=60))
    shape = {"items": 40, "users": 60, "dim": 4}
    assert wrong(solved(kept, epochs=20, penalty=0.1, solver="als", **shape)) < by_biases / 3
    assert wrong(solved(kept, epochs=200, penalty=0.01, rate=0.02, **shape)) < by_biases / 3
    assert wrong(solved(kept, epochs=200, penalty=0.01, rate=0.02, bias="none", **shape)) < by_biases / 3


def test_an_order_visits_every_rating_once_person_by_person() -> None:
    events = World([[1, 2, 3, 4, 5], [2, 3, 4], [5, 6, 1], [6, 2, 4, 1]], 6).interactions()
    first, second = Ratings.of(events).orders(2, 7)
    for order_E in (first, second):
        assert sorted(order_E) == list(range(15))
        user_E = events.user_E.numpy()[order_E]
        assert (np.diff(user_E) != 0).sum() == 3
    assert first.tolist() != second.tolist()
    assert next(Ratings.of(events).orders(1, 7)).tolist() == first.tolist()


@pytest.mark.parametrize(
    ("name", "settings"),
    [("timesvd", {"drift": "none", "implicit": False}), ("hievh", {"categories": "none"})],
)
def test_its_relatives_without_what_is_their_own_are_it_bit_for_bit(name: str, settings: dict[str, Any]) -> None:
    events = World([[1, 2, 3, 4, 5], [2, 3, 4], [5, 6, 1], [6, 2, 4, 1]], 6).interactions()
    same: dict[str, Any] = {"dim": 5, "epochs": 7, "penalty": 0.03, "rate": 0.02, "items": 6}
    plain, relative = solved(events, **same), solved(events, name, **same, **settings)
    assert torch.equal(relative.user_UE, plain.user_UE)
    assert torch.equal(relative.item_NE, plain.item_NE)
    batch = events.pairs(torch.arange(15), plain.needs)
    torch.testing.assert_close(relative.rate(batch, events.item_E), plain.rate(batch, events.item_E))


def test_without_biases_it_begins_at_the_mean() -> None:
    """From around 0 it would never come away where ratings are few."""
    events = few(FEW)
    model = solved(events, dim=4, bias="none", epochs=1, rate=1e-9, deviation=1e-6)
    found = model.rate(events.pairs(torch.arange(5), model.needs), events.item_E)
    assert found.tolist() == pytest.approx([3.0] * 5, abs=1e-3)
