"""CTR: each step is exact, the objective never rises, its ends are weighed factorisation and topics; BPR's form."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

import models
from engine.tables.settings import Choice
from engine.training.contract import Recommender
from engine.training.interactions import Interactions
from models.blocks import least_squares
from models.ctr import CTR
from models.ctr_bpr import CTRBPR
from tests.models.test_cards import row
from tests.models.world import World, built, rows, section

WEIGHTS = (1.0, 0.2)
UNCHOSEN = 15


@pytest.fixture(scope="module")
def world() -> World:
    generator = np.random.default_rng(7)
    return World([generator.integers(1, UNCHOSEN, n).tolist() for n in [3, 10, 5, 4, 7, 9, 3, 6, 8, 5, 4, 10]], 15)


def solved(world: World, theta_NT: Tensor | None = None, **settings: object) -> CTR:
    torch.manual_seed(1)
    model = models.build(Choice(name="ctr", settings={"others": 0.2} | settings), world.catalog, world.users)
    assert isinstance(model, CTR)
    if theta_NT is not None:
        model.theta_NT = theta_NT
    model.solve(world.interactions())
    return model


def chosen(world: World) -> Tensor:
    """1 where a user has an item, [users + 1, items + 1]."""
    events = world.interactions()
    found_UN = torch.zeros(world.users + 1, world.items + 1, dtype=torch.float64)
    found_UN[events.user_E, events.item_E] = 1
    return found_UN


def pairs(seen_UN: Tensor) -> tuple[Tensor, Tensor]:
    """Items of each user in a row, and offsets."""
    return seen_UN.nonzero()[:, 1], torch.nn.functional.pad(seen_UN.sum(1).long().cumsum(0), (1, 0))


def written_out(seen_UN: Tensor, user_UK: Tensor, item_NK: Tensor) -> Tensor:
    a, b = WEIGHTS
    weight_UN = b + (a - b) * seen_UN
    return (weight_UN * (seen_UN - user_UK @ item_NK.T) ** 2).sum() / 2


@pytest.mark.parametrize("cells", [1 << 24, 40])
def test_rows_are_where_the_gradient_is_zero(cells: int, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(least_squares, "CELLS", cells)
    generator = torch.Generator().manual_seed(2)
    seen_UN, ridge = chosen(world), 0.7
    item_NK, prior_UK = (torch.rand(n, 3, dtype=torch.float64, generator=generator) for n in (16, 13))
    found_UK = least_squares.rows(item_NK, *pairs(seen_UN), WEIGHTS, ridge, prior_UK).requires_grad_()
    loss = written_out(seen_UN, found_UK, item_NK) + ridge / 2 * (found_UK - prior_UK).square().sum()
    (slope_UK,) = torch.autograd.grad(loss, found_UK)
    torch.testing.assert_close(slope_UK[1:], torch.zeros_like(slope_UK[1:]), atol=1e-9, rtol=0)
    torch.testing.assert_close(found_UK[0], prior_UK[0])  # user 0 has no event


def test_the_error_is_that_of_all_pairs_written_out(world: World) -> None:
    generator = torch.Generator().manual_seed(3)
    seen_UN = chosen(world)
    user_UK, item_NK = (torch.rand(n, 3, dtype=torch.float64, generator=generator) for n in (13, 16))
    user_P, item_P = seen_UN.nonzero().unbind(1)
    found = least_squares.error(user_UK, item_NK, user_P, item_P, WEIGHTS)
    torch.testing.assert_close(found, written_out(seen_UN, user_UK, item_NK))


def test_no_turn_makes_it_worse(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    costs: list[float] = []
    original = CTR.objective

    def watched(self: CTR, *tables: Tensor) -> Tensor:
        found = original(self, *tables)
        costs.append(float(found))
        return found

    monkeypatch.setattr(CTR, "objective", watched)
    for ridge in (0.1, 10.0):
        costs.clear()
        solved(world, item_ridge=ridge, turns=12)
        assert len(costs) == 12
        assert all(after <= before + 1e-9 for before, after in itertools.pairwise(costs))
        assert costs[-1] < 0.99 * costs[0]


def test_without_topics_it_is_weighed_factorisation(world: World) -> None:
    """The same turns, written out row by row from the same start."""
    ridge, seen_UN = 0.3, chosen(world)
    model = solved(world, torch.zeros(16, 4), item_ridge=ridge, user_ridge=0.3, turns=4)
    torch.manual_seed(1)
    models.build(Choice(name="ctr", settings={}), world.catalog, world.users)
    item_NK = torch.rand(16, 4, dtype=torch.float64) / 4
    has_N, has_U = seen_UN.sum(0) > 0, seen_UN.sum(1) > 0
    item_NK[~has_N] = 0
    user_UK = torch.zeros(13, 4, dtype=torch.float64)
    a, b = 1.0, 0.2
    for _ in range(4):
        for fixed_XK, found_RK, seen_RX, has_R in (
            (item_NK, user_UK, seen_UN, has_U),
            (user_UK, item_NK, seen_UN.T, has_N),
        ):
            for r in has_R.nonzero()[:, 0].tolist():
                weight_X = b + (a - b) * seen_RX[r]
                left_KK = (fixed_XK * weight_X[:, None]).T @ fixed_XK + ridge * torch.eye(4, dtype=torch.float64)
                found_RK[r] = torch.linalg.solve(left_KK, (fixed_XK * (weight_X * seen_RX[r])[:, None]).sum(0))
    torch.testing.assert_close(model.item_NT.double(), item_NK, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(model.user_UT.double(), user_UK, atol=1e-6, rtol=1e-5)


def test_a_turn_from_the_topics_by_hand(world: World) -> None:
    """u = (b V'V + (a - b) V_S'V_S + lambda_u I)^-1 a V_S'1 from V = theta; then v so, and drawn to theta."""
    theta_NT = world.catalog.vector("topics").clone()
    theta_NT[2] = theta_NT[3].flip(0)  # or it would start at random
    model = solved(world, theta_NT, item_ridge=0.7, user_ridge=0.4, turns=1)
    seen_UN, theta = chosen(world).numpy(), theta_NT.double().numpy()
    a, b = WEIGHTS
    active_N = seen_UN.sum(0) > 0
    user = np.zeros((13, 4))
    for u in range(1, 13):
        own = theta[seen_UN[u] > 0]
        left = b * theta[active_N].T @ theta[active_N] + (a - b) * own.T @ own + 0.4 * np.eye(4)
        user[u] = np.linalg.solve(left, a * own.sum(0))
    np.testing.assert_allclose(model.user_UT.numpy(), user, rtol=1e-5, atol=1e-6)
    for i in np.flatnonzero(active_N):
        own = user[seen_UN[:, i] > 0]
        left = b * user.T @ user + (a - b) * own.T @ own + 0.7 * np.eye(4)
        item = np.linalg.solve(left, a * own.sum(0) + 0.7 * theta[i])
        np.testing.assert_allclose(model.item_NT[i].numpy(), item, rtol=1e-5, atol=1e-6)


def test_the_objective_by_hand(world: World) -> None:
    """Half the weighed squared errors of all pairs, half of each ridge."""
    model = solved(world, item_ridge=3.0, user_ridge=0.5)
    generator = torch.Generator().manual_seed(4)
    user_UT, item_NT, theta_NT = (torch.rand(n, 4, dtype=torch.float64, generator=generator) for n in (13, 16, 16))
    seen_UN = chosen(world)
    expected = written_out(seen_UN, user_UT, item_NT)
    expected += 0.5 / 2 * (user_UT**2).sum() + 3.0 / 2 * ((item_NT - theta_NT) ** 2).sum()
    torch.testing.assert_close(model.objective(user_UT, item_NT, theta_NT, seen_UN.nonzero()), expected)


def test_items_held_hard_are_their_topics_and_free_ones_are_not(world: World) -> None:
    hard, free = solved(world, item_ridge=1e12), solved(world, item_ridge=0.1)
    theta_NT = world.catalog.vector("topics")
    torch.testing.assert_close(hard.item_NT, theta_NT)
    assert bool(((free.item_NT - theta_NT).abs().amax(1)[1:UNCHOSEN] > 0.01).all())


def test_an_item_that_nobody_chose_is_its_topics_and_counts_nowhere(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs: list[float] = []
    original = CTR.objective

    def watched(self: CTR, *tables: Tensor) -> Tensor:
        costs.append(float(original(self, *tables)))
        return torch.tensor(costs[-1])

    monkeypatch.setattr(CTR, "objective", watched)
    model = solved(world, item_ridge=0.1)
    assert torch.equal(model.item_NT[UNCHOSEN], world.catalog.vector("topics")[UNCHOSEN])
    other_NT = world.catalog.vector("topics").clone()
    other_NT[UNCHOSEN] = other_NT[UNCHOSEN].flip(0)
    before, costs[:] = costs.copy(), []
    again = solved(world, other_NT, item_ridge=0.1)
    assert torch.equal(again.user_UT, model.user_UT)
    assert costs == before
    assert not torch.equal(again.item_NT, model.item_NT)


def test_an_item_without_a_text_is_learnt_from_its_people(world: World) -> None:
    model = solved(world, item_ridge=0.1)
    assert model.theta_NT[2].tolist() == [0.0] * 4
    assert float(model.item_NT[2].abs().max()) > 0.01


def test_an_event_that_comes_twice_is_one(world: World) -> None:
    events = world.interactions()
    twice = Interactions(
        *(t.repeat_interleave(2) for t in (events.user_E, events.item_E, events.event_E)),
        events.offset_U * 2, events.users, events.items,
    )  # fmt: skip
    one, other = built("ctr", "plain", world), built("ctr", "plain", world)
    for model, train in ((one, events), (other, twice)):
        torch.manual_seed(1)
        assert isinstance(model, CTR)
        model.solve(train)
    assert torch.equal(one.item_NT, other.item_NT)  # type: ignore[arg-type]


def test_it_turns_until_a_turn_gains_too_little(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[int] = []
    original = CTR.objective
    monkeypatch.setattr(CTR, "objective", lambda self, *t: turns.append(1) or original(self, *t))
    for enough, expected in ((1.0, 15), (0.0, 20)):
        turns.clear()
        solved(world, item_ridge=1.0, turns=20, enough=enough)
        assert len(turns) == expected


def test_what_is_chosen_is_solved_by(world: World) -> None:
    model = built("ctr", "choices", world)
    assert isinstance(model, CTR)
    found = []
    for choice in model.choices:
        model.choose(choice)
        assert model.chosen == pytest.approx(choice)
        torch.manual_seed(1)
        model.solve(world.interactions())
        found.append(model.item_NT.clone())
    assert [len(found), torch.equal(*found)] == [2, False]


# ---- the form of BPR


def form(world: World, variant: str = "plain", **settings: object) -> CTRBPR:
    torch.manual_seed(1)
    choice = section("ctr_bpr", variant)
    model = models.build(Choice(name="ctr_bpr", settings=choice.settings | settings), world.catalog, world.users)
    assert isinstance(model, CTRBPR)
    return model


def test_at_the_start_items_are_their_topics_and_the_loss_is_ln_2(world: World) -> None:
    model = form(world)
    assert torch.equal(model.keys()[:, :-1], world.catalog.vector("topics"))
    assert model.loss(rows(world, model.needs, targets=True)).item() == pytest.approx(math.log(2), abs=5e-3)


@torch.no_grad()
def test_the_loss_by_hand(world: World) -> None:
    model = form(world, user_ridge=0.2, item_ridge=0.3)
    for parameter in model.parameters():
        parameter += torch.randn_like(parameter)
    theta_NT = world.catalog.vector("topics")
    score = {i: model.user_UT[1] @ (theta_NT[i] + model.apart_NT[i]) + model.bias_N[i] for i in (4, 7)}
    expected = math.log1p(math.exp(float(score[7] - score[4])))
    expected += 0.1 * float(model.user_UT[1] @ model.user_UT[1])
    expected += 0.15 * float(model.apart_NT[4] @ model.apart_NT[4] + model.apart_NT[7] @ model.apart_NT[7])
    batch = row([], [4], negative_BLK=torch.tensor([[[7]]]))
    assert model.loss(batch).item() == pytest.approx(expected, rel=1e-5)
    found = model.score(batch, torch.tensor([[4, 7]]))[0]
    torch.testing.assert_close(found, torch.stack([score[4], score[7]]))


@torch.no_grad()
def test_the_loss_of_several_pairs_and_drawn_items_is_their_mean(world: World) -> None:
    """Of each triple (u, i, j): softplus(score_j - score_i) + lambda_v/2 (|eps_i|^2 + |eps_j|^2) + lambda_u/2 |u|^2."""
    model = form(world, "at_once", user_ridge=0.2, item_ridge=0.3)
    for parameter in model.parameters():
        parameter += torch.randn_like(parameter)
    user = model.user_UT.double().numpy()
    apart, bias = model.apart_NT.double().numpy(), model.bias_N.double().numpy()
    item = world.catalog.vector("topics").double().numpy() + apart
    losses = []
    for u, i, drawn in ((1, 4, (7, 9)), (5, 8, (3, 2))):
        for j in drawn:
            behind = user[u] @ item[j] + bias[j] - user[u] @ item[i] - bias[i]
            squares = 0.3 * (apart[i] @ apart[i] + apart[j] @ apart[j]) + 0.2 * user[u] @ user[u]
            losses.append(np.log1p(np.exp(behind)) + squares / 2)
    batch = row([], [4], negative_BLK=torch.tensor([[[7, 9]], [[3, 2]]]))
    batch = batch.but(user_B=torch.tensor([1, 5]), target_BL=torch.tensor([[4], [8]]))
    assert model.loss(batch).item() == pytest.approx(np.mean(losses), rel=1e-5)


def test_while_items_are_held_users_alone_are_learnt(world: World) -> None:
    model = form(world, held=3, item_ridge=0.1)
    assert [(p.name, p.epochs, p.selected) for p in model.phases] == [("held", 3, False), ("free", None, True)]
    assert [p.name for p in form(world, "at_once").phases] == ["free"]
    assert [model.needs.negatives, form(world, "at_once").needs.negatives] == [1, 3]
    batch = rows(world, model.needs, targets=True)
    model.loss(batch).backward()
    assert model.apart_NT.grad is not None  # until a phase is entered it is in its last
    for phase, learns in (("held", False), ("free", True)):
        model.enter(phase)
        model.zero_grad()
        model.loss(batch).backward()
        assert model.user_UT.grad is not None
        assert model.bias_N.grad is not None
        assert (model.apart_NT.grad is not None) == learns


@torch.no_grad()
@pytest.mark.parametrize("name", ["ctr", "ctr_bpr"])
def test_topics_sum_to_the_score(name: str, world: World) -> None:
    model: Recommender = solved(world, item_ridge=0.1) if name == "ctr" else form(world)
    for parameter in model.parameters():
        parameter += torch.randn_like(parameter)
    batch, item_B = rows(world, model.needs), torch.arange(world.users) + 1
    (reason,) = model.explain(batch, item_B)  # type: ignore[operator]
    bias_B = model.bias_N[item_B] if isinstance(model, CTRBPR) else 0.0
    torch.testing.assert_close(reason.value.sum(1) + bias_B, model.score(batch, item_B[:, None])[:, 0])
    user_BT, item_NT = (model.user_UT[batch.user_B], model.keys()[:, :4])  # type: ignore[operator, index]
    torch.testing.assert_close(reason.value, user_BT * item_NT[item_B])  # each in its place
    assert [reason.over, reason.kind, reason.faithful, reason.value.shape[1]] == ["topic", "signed", True, 4]


def test_what_a_batch_lacks_is_said(world: World) -> None:
    with pytest.raises(ValueError, match="drawn items; the batch has none"):
        form(world).loss(row([], [4]))
