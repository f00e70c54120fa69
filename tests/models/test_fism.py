"""FISM: its equation and losses by hand, the target left out, what it is to NAIS and to IRIS."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import models
from engine.tables.settings import Choice
from engine.training.batch import Batch
from engine.training.needs import Needs
from models.fism import FISM
from models.iris import IRIS
from tests.models.world import World, built, rows, section


def fism(variant: str, world: World, **changes: object) -> FISM:
    torch.manual_seed(1)
    settings = section("fism", variant).settings | changes
    model = models.build(Choice(name="fism", settings=settings), world.catalog, world.users)
    assert isinstance(model, FISM)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return model.eval()


def row(items: list[int], **fields: Tensor) -> Batch:
    item_BL = torch.tensor([items])
    return Batch(torch.tensor([1]), item_BL, torch.tensor([len(items)]), item_BL.clone()).but(**fields)


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=2e-6)


@torch.no_grad()
def test_the_score_by_hand(world: World) -> None:
    """(p_3 + p_5) · q_4 / sqrt 2 + b_4; what is itself in the history is left out of sum and count."""
    model = fism("log", world, alpha=0.5)
    p, q, b = model.past_ND, model.target_ND, model.bias_N
    score_K = model.score(row([3, 4, 5]), torch.tensor([[4, 7]]))[0]
    close(score_K[0], (p[3] + p[5]) @ q[4] / 2**0.5 + b[4])
    close(score_K[1], (p[3] + p[4] + p[5]) @ q[7] / 3**0.5 + b[7])
    close(model.score(row([4]), torch.tensor([[4]]))[0, 0], b[4])  # nothing else: 0, not 0/0


@pytest.mark.parametrize("loss", ["log", "squared", "auc"])
def test_the_losses_by_hand(loss: str, world: World) -> None:
    model = fism("log", world, loss=loss, negatives=2, regularisation=0.01)
    negative_BLK = torch.tensor([[[7, 8], [9, 1], [2, 2]]])
    batch = row([3, 4, 5], target_BL=torch.tensor([[4, 5, 0]]), negative_BLK=negative_BLK)
    total = torch.zeros(())
    for place, own in enumerate((4, 5)):
        asked_K = torch.tensor([[own, *negative_BLK[0, place].tolist()]])
        own_1, other_K = model.score(row([3, 4, 5][: place + 1]), asked_K)[0].tensor_split([1])
        if loss == "log":
            total = total + F.softplus(-own_1).sum() + F.softplus(other_K).sum()
        elif loss == "squared":
            total = total + (1 - own_1).square().sum() + other_K.square().sum()
        else:
            total = total + (1 - (own_1 - other_K)).square().sum()
    squares = model.past_ND.square().sum() + model.target_ND.square().sum()
    close(model.loss(batch), total / 2 + 0.01 * squares)


@torch.no_grad()
def test_learnt_beside_all_others_a_target_does_not_see_itself(world: World) -> None:
    model = fism("others", world, length=1)  # which is of ranking alone
    batch = row([3, 4, 5], target_BL=torch.tensor([[0, 4, 0]]), negative_BLK=torch.tensor([[[7] * 4] * 3]))
    p, q, b = model.past_ND, model.target_ND, model.bias_N
    own = (p[3] + p[5]) @ q[4] / 2**0.5 + b[4]
    other = (p[3] + p[4] + p[5]) @ q[7] / 3**0.5 + b[7]
    squares = 1e-7 * (p.square().sum() + q.square().sum())
    close(model.loss(batch), F.softplus(-own) + 4 * F.softplus(other) + squares)


@torch.no_grad()
def test_iris_whose_features_are_all_the_same_is_fism_with_alpha_and_beta_added(world: World) -> None:
    torch.manual_seed(1)
    settings = section("iris", "item_bias").settings | {"alpha": 0.2, "beta": 0.5}
    iris = models.build(Choice(name="iris", settings=settings), world.catalog, world.users)
    assert isinstance(iris, IRIS)
    for parameter in iris.parameters():
        parameter += 0.3 * torch.randn_like(parameter)
    model, batch = fism("log", world, alpha=0.7), rows(world, Needs(8))
    model.load_state_dict({name: iris.state_dict()[name] for name in model.state_dict()})
    item_BK = torch.arange(1, world.items + 1).expand(world.users, -1)
    assert not torch.allclose(iris.score(batch, item_BK), model.score(batch, item_BK), atol=1e-2)
    for module in iris.modules():
        if hasattr(module, "vector_NC"):
            module.vector_NC[:] = module.vector_NC[1]
            module.present_N1[:] = 1.0
    halves = iris.halves(torch.tensor([1, 7]))
    scale = torch.exp(0.5 * F.relu(halves.past_NA[0] + halves.target_NA[1]) @ halves.out_A)  # of every pair's logit
    bias_BK = model.bias_N[item_BK]
    close(iris.score(batch, item_BK) - bias_BK, (model.score(batch, item_BK) - bias_BK) * scale)


def test_reasons_sum_to_the_score(world: World) -> None:
    model, batch = fism("log", world), rows(world, Needs(8))
    item_B = torch.arange(world.users) % world.items + 1
    (signed,) = model.explain(batch, item_B)
    assert (signed.kind, signed.faithful) == ("signed", True)
    close(signed.value.sum(1) + model.bias_N[item_B], model.score(batch, item_B[:, None])[:, 0])


def test_a_mean_of_the_history_does_not_grow_with_it(world: World) -> None:
    """alpha 1: twice the same history is the same; alpha 0: it is twice as much."""
    item_B1 = torch.tensor([[7]])
    for alpha, times in ((1.0, 1.0), (0.0, 2.0)):
        model = fism("log", world, alpha=alpha)
        once, twice = (model.score(row(items), item_B1) - model.bias_N[7] for items in ([3, 5], [3, 5, 3, 5]))
        close(twice, times * once)


def test_it_starts_at_no_preference(world: World) -> None:
    score_BN = built("fism", "log", world).eval().score_all(rows(world, Needs(8)))  # type: ignore[operator]
    assert score_BN.abs().max() < 0.02
