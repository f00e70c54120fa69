"""`recency` of FISM, NAIS and IRIS: nothing at first, then what a set of acts cannot say."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import models
from engine.evaluation.rank import rank
from engine.measures.ranking import hr, positions
from engine.tables.settings import Choice
from engine.training.cases import Cases
from engine.training.contract import CatalogScorer, Learner
from engine.training.fit import fit
from tests.models.world import World, rows, section, train

VARIANTS = [
    ("fism", "log", {}),
    ("fism", "mean", {}),
    ("fism", "squared", {}),
    ("fism", "auc", {}),
    ("nais", "product", {"alpha": 0.3}),
    ("nais", "concatenation", {}),
    ("nais", "softmax", {}),
    ("iris", "multimodal", {}),
    ("iris", "item_bias", {}),
]
EACH = pytest.mark.parametrize(("name", "variant", "changes"), VARIANTS, ids=[f"{n}-{v}" for n, v, _ in VARIANTS])


def built(name: str, variant: str, world: World, **changes: Any) -> Any:
    torch.manual_seed(1)
    settings = section(name, variant).settings | changes
    model = models.build(Choice(name=name, settings=settings), world.catalog, world.users)
    assert isinstance(model, Learner)
    assert isinstance(model, CatalogScorer)
    return model.eval()


def shaken(name: str, variant: str, world: World, **changes: Any) -> Any:
    """The same numbers with and without recency."""
    model = built(name, variant, world, **changes)
    torch.manual_seed(2)
    with torch.no_grad():
        for of, parameter in model.named_parameters():
            if of != "recency_P":
                parameter += 0.3 * torch.randn_like(parameter)
    return model


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=2e-6)


def every(world: World) -> Tensor:
    return torch.arange(1, world.items + 1).expand(world.users, -1)


@EACH
def test_at_first_it_is_the_model_without(name: str, variant: str, changes: dict[str, Any], world: World) -> None:
    """Scores, loss, reasons, and the gradients of all that both have."""
    plain, model = (shaken(name, variant, world, recency=on, **changes) for on in (False, True))
    assert "recency_P" not in dict(plain.named_parameters())
    assert model.recency_P.tolist() == [0.0] * 8
    batch, learnt = rows(world, plain.needs), rows(world, plain.needs, targets=True)
    assert model.needs == plain.needs
    with torch.no_grad():
        close(model.score(batch, every(world)), plain.score(batch, every(world)))
        close(model.score_all(batch), plain.score_all(batch))
        reasons = [one.explain(batch, every(world)[:, 0]) for one in (model, plain)]
        for own, its in zip(*reasons, strict=True):
            close(own.value, its.value)
    names = [of for of, _ in plain.named_parameters()]
    found = []
    for one in (model, plain):
        loss = one.loss(learnt)
        given = dict(one.named_parameters())
        grads = torch.autograd.grad(loss, [given[of] for of in names], allow_unused=True, materialize_grads=True)
        found.append([loss.detach(), *grads])
    for own, its in zip(*found, strict=True):
        close(own, its)


@EACH
def test_the_compiled_loss_is_that_of_the_written_out_form(
    name: str, variant: str, changes: dict[str, Any], world: World
) -> None:
    """In 32 bits and in 64, where nothing is compiled; r is learnt."""
    found = []
    for dtype in (torch.float32, torch.float64):
        model = shaken(name, variant, world, recency=True, **changes)
        with torch.no_grad():
            model.recency_P += torch.linspace(1, -1, 8)
        model = model.to(dtype)
        loss = model.loss(rows(world, model.needs, targets=True))
        (grad_P,) = torch.autograd.grad(loss, model.recency_P)
        assert bool((grad_P.abs() > 1e-5).all())
        with torch.no_grad():
            found.append([loss.detach().float(), grad_P.float(), model.score_all(rows(world, model.needs)).float()])
    for own, its in zip(*found, strict=True):
        torch.testing.assert_close(own, its, rtol=1e-3, atol=1e-5)


@EACH
@torch.no_grad()
def test_a_shuffled_history_scores_differently(name: str, variant: str, changes: dict[str, Any], world: World) -> None:
    for on in (False, True):
        model = shaken(name, variant, world, recency=on, **changes)
        if on:
            model.recency_P += torch.linspace(1, -1, 8)
        batch = rows(world, model.needs)
        other_BL = batch.item_BL.clone()
        for b, length in enumerate(batch.length_B.tolist()):
            other_BL[b, :length] = other_BL[b, :length].flip(0)
        scores = [model.score(one, every(world)) for one in (batch, batch.but(item_BL=other_BL))]
        assert torch.allclose(*scores, rtol=1e-4, atol=2e-6) != on


@pytest.mark.parametrize("name", ["fism", "nais", "iris"])
def test_beside_all_others_it_is_refused(name: str) -> None:
    settings = section(name).settings | {"history": "others", "recency": True}
    with pytest.raises(ValueError, match=rf"models\.{name}.*set history: before, or recency: false"):
        models.configure(Choice(name=name, settings=settings))


@pytest.fixture(scope="module")
def last_counts() -> World:
    """Two acts, and then what follows the second of them; who did them the other way round goes on elsewhere."""
    generator = np.random.default_rng(1)
    pairs = [(generator.permutation(6)[:2] + 1).tolist() for _ in range(150)]
    return World([[first, last, last + 6] for first, last in pairs], 12)


@pytest.mark.parametrize(("name", "variant"), [("fism", "log"), ("nais", "product"), ("iris", "multimodal")])
def test_it_learns_which_act_is_the_newest(name: str, variant: str, last_counts: World, tmp_path: Path) -> None:
    """A set of two acts leaves two things that may follow."""
    events, user_B = last_counts.interactions(), torch.arange(1, last_counts.users + 1)
    cases = Cases(user_B, last_counts.lengths() - 1, events.item_E[events.offset_U[user_B + 1] - 1])
    found = {}
    for on in (False, True):
        model = built(name, variant, last_counts, recency=on)
        epoch = iter(range(99))
        fit(model, events, lambda epoch=epoch: float(next(epoch)), train(25, rows=16), 1, tmp_path / "run.pt")
        counts = rank(model, cases, events, "excluded")
        found[on] = hr(positions(counts.greater, counts.ties), 1).mean()
    assert found[False] < 0.75
    assert found[True] > 0.95
    assert model.recency_P[0] > model.recency_P[1] + 0.5
