"""NAIS: its equation by hand, what it is to FISM, its phases, and that its target is not in its own history."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

import models
from engine.tables.settings import Choice
from engine.training.batch import Batch
from engine.training.loop import Loop
from engine.training.needs import Needs
from models.fism import FISM
from models.nais import NAIS
from tests.models.world import World, rows, section, train

BOTH = pytest.mark.parametrize("variant", ["product", "concatenation"])


def built(name: str, variant: str, world: World, shake: float = 0.3, **changes: object) -> NAIS | FISM:
    torch.manual_seed(1)
    settings = section(name, variant).settings | changes
    model = models.build(Choice(name=name, settings=settings), world.catalog, world.users)
    assert isinstance(model, NAIS | FISM)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += shake * torch.randn_like(parameter)
    return model.eval()


def nais(variant: str, world: World, shake: float = 0.3, **changes: object) -> NAIS:
    model = built("nais", variant, world, shake, **changes)
    assert isinstance(model, NAIS)
    return model


def every(world: World) -> Tensor:
    return torch.arange(1, world.items + 1).expand(world.users, -1)


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=2e-6)


@BOTH
def test_the_score_by_hand(variant: str, world: World) -> None:
    """Item 4 after 3, 4, 6: itself left out, the attention's two logits written out."""
    model = nais(variant, world, dim=1, hidden=2, alpha=0.5, beta=0.8)
    with torch.no_grad():
        model.past_ND[:, 0], model.target_ND[:, 0] = torch.arange(world.items + 1.0) / 10, 2.0
        model.mix_AX[:] = torch.tensor([[0.5], [-1.0]]) if variant == "product" else torch.tensor([[1.0, 0.2], [-1, 1]])
        model.shift_A[:], model.out_A[:] = torch.tensor([0.1, 0.3]), torch.tensor([0.7, 2.0])
        model.bias_N[4] = 0.25
    logit = []
    for p in (0.3, 0.6):
        met = (0.5 * 2 * p + 0.1, -2 * p + 0.3) if variant == "product" else (p + 0.4 + 0.1, -p + 2 + 0.3)
        logit.append(0.7 * max(met[0], 0) + 2.0 * max(met[1], 0))
    total = sum(math.exp(x) for x in logit)
    score = sum(math.exp(x) / total**0.8 * p * 2 for x, p in zip(logit, (0.3, 0.6), strict=True)) / 2**0.5 + 0.25
    item_BL = torch.tensor([[3, 4, 6]])
    batch = Batch(torch.tensor([1]), item_BL, torch.tensor([3]), item_BL)
    assert model.score(batch, torch.tensor([[4]])).item() == pytest.approx(score, rel=1e-5)


@BOTH
def test_with_even_weights_it_is_fism_with_alpha_and_beta_added(variant: str, world: World) -> None:
    """h = 0: scores, loss and gradients, from the same seed, since both draw their factors first."""
    model = nais(variant, world, shake=0.0, alpha=0.2, beta=0.5)
    fism = built("fism", "log", world, shake=0.0, alpha=0.7)
    with torch.no_grad():
        for one in (model, fism):
            torch.manual_seed(7)
            for table in (one.past_ND, one.target_ND, one.bias_N):
                table += torch.randn_like(table)
    assert torch.equal(model.past_ND, fism.past_ND)
    assert torch.equal(model.target_ND, fism.target_ND)
    batch, learnt = rows(world, Needs(8)), rows(world, model.needs, targets=True)
    with torch.no_grad():
        model.shift_A += 1.0
        assert not torch.allclose(model.score(batch, every(world)), fism.score(batch, every(world)), atol=1e-2)
        model.out_A.zero_()
        model.mix_AX.zero_()  # whose penalty is not FISM's
        close(model.score(batch, every(world)), fism.score(batch, every(world)))
    losses = [one.loss(learnt) for one in (model, fism)]
    close(*losses)
    grads = [
        torch.autograd.grad(loss, [one.past_ND, one.target_ND, one.bias_N])
        for loss, one in zip(losses, (model, fism), strict=True)
    ]
    for own, its in zip(*grads, strict=True):
        assert bool((own.abs() > 1e-3).any())
        close(own, its)


def test_the_phase_before_it_is_fism(world: World, tmp_path: Path) -> None:
    """The same losses epoch by epoch as fism from the same seed; NAIS goes on from what that ends with."""
    exponents = {"alpha": 0.2, "beta": 0.5}
    model = nais("pretrained", world, shake=0.0, **exponents)
    assert [phase.name for phase in model.phases] == ["fism", "nais"]
    model.enter("fism")
    fism = built("fism", "log", world, shake=0.0, alpha=0.7)
    batch = rows(world, Needs(8))
    losses = []
    for number, one in enumerate((model, fism)):
        seen = iter(range(9))
        loop = Loop(one, world.interactions(1), train(3), 1, tmp_path / f"{number}.pt")
        losses.append(loop.run(lambda it=seen: float(next(it))).losses)  # type: ignore[misc]
    assert losses[0] == losses[1]
    close(model.score(batch, every(world)), fism.score(batch, every(world)))
    model.enter("nais")
    assert torch.equal(model.past_ND, fism.past_ND)
    with torch.no_grad():
        after_BK = model.score(batch, every(world))
    bias_BK = model.bias_N[every(world)]
    near = (after_BK - bias_BK - (fism.score(batch, every(world)) - bias_BK)).abs().max()
    assert 0 < near < 0.5 * (fism.score(batch, every(world)) - bias_BK).abs().max()
    assert [phase.name for phase in nais("product", world).phases] == ["nais"]


@BOTH
@torch.no_grad()
def test_a_target_s_own_row_of_the_past_is_nothing_to_it(variant: str, world: World) -> None:
    model = nais(variant, world)
    item_BL = torch.tensor([[3, 4, 6]])
    batch = Batch(torch.tensor([1]), item_BL, torch.tensor([3]), item_BL)
    before_K = model.score(batch, torch.tensor([[4, 7]]))[0]
    model.past_ND[4] += 5.0
    after_K = model.score(batch, torch.tensor([[4, 7]]))[0]
    assert before_K[0] == after_K[0]
    assert abs(before_K[1] - after_K[1]) > 1e-3


@BOTH
def test_reasons_sum_to_the_score_and_weights_to_one(variant: str, world: World) -> None:
    model, batch = nais(variant, world), rows(world, Needs(8))
    item_B = torch.arange(world.users) % world.items + 1
    signed, share = model.explain(batch, item_B)
    assert (signed.kind, share.kind) == ("signed", "share")
    close(signed.value.sum(1) + model.bias_N[item_B], model.score(batch, item_B[:, None])[:, 0])
    some = share.valid.any(1)
    close(share.value.sum(1)[some], torch.ones(int(some.sum())))


def test_the_attention_has_a_penalty_only_where_it_is(world: World) -> None:
    model = nais("pretrained", world, attention_regularisation=0.1)
    learnt = rows(world, model.needs, targets=True)
    loss = {}
    for phase in ("fism", "nais"):
        model.enter(phase)
        with torch.no_grad():
            before = model.loss(learnt)
            model.config = model.config.model_copy(update={"attention_regularisation": 0.0})
            loss[phase] = before - model.loss(learnt)
            model.config = model.config.model_copy(update={"attention_regularisation": 0.1})
    close(loss["nais"], 0.1 * model.mix_AX.detach().square().sum())
    assert loss["fism"] == 0
