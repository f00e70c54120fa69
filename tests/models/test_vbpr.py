"""VBPR: without pictures it is BPR-MF, its score and losses by hand, AMR's form, what reasons add up to."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import models
from engine.tables.settings import Choice
from engine.training.contract import Learner, Recommender
from engine.training.fit import fit
from models.bpr_mf import BPRMF
from models.vbpr import VBPR
from tests.models.test_cards import row
from tests.models.world import World, rows, section, train


def model_of(name: str, world: World, **settings: object) -> Recommender:
    torch.manual_seed(1)
    return models.build(Choice(name=name, settings=settings), world.catalog, world.users)


def vbpr(world: World, **settings: object) -> VBPR:
    model = model_of("vbpr", world, **{"dim": 3, "visual": 2, "regularisation": 0.0} | settings)
    assert isinstance(model, VBPR)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.4 * torch.randn_like(parameter)
    return model


def run(model: Recommender, world: World, folder: Path) -> tuple[list[float], dict[str, Tensor]]:
    """The losses of some epochs, and the parameters that they end in."""
    assert isinstance(model, Learner)
    done = fit(model, world.interactions(1), lambda: float(len(torch.empty(0))), train(4, rows=8), 1, folder / "run.pt")
    return done.losses, {name: value for name, value in model.state_dict().items() if name in ("user_UD", "item_NE")}


@pytest.mark.parametrize("negatives", [1, 3])
def test_without_pictures_it_is_bpr_mf_number_for_number(negatives: int, world: World, tmp_path: Path) -> None:
    same = {"dim": 5, "negatives": negatives, "regularisation": 0.01}
    losses, state = run(model_of("vbpr", world, views=[], **same), world, tmp_path)
    expected, its = run(model_of("bpr_mf", world, **same), world, tmp_path)
    assert losses == expected
    assert all(torch.equal(state[name], its[name]) for name in its)


def test_where_no_item_has_a_picture_it_learns_as_bpr_mf_does(world: World, tmp_path: Path) -> None:
    same = {"dim": 5, "regularisation": 0.0}
    blind = model_of("vbpr", world, **same)
    blind.views[0].present_N[:] = False  # type: ignore[index, operator, union-attr]
    losses, state = run(blind, world, tmp_path)
    expected, its = run(model_of("bpr_mf", world, **same), world, tmp_path)
    seeing, _ = run(model_of("vbpr", world, **same), world, tmp_path)
    assert seeing[-1] != pytest.approx(expected[-1], rel=1e-4)
    assert losses == pytest.approx(expected, rel=1e-6)
    for name in its:
        torch.testing.assert_close(state[name], its[name], rtol=1e-4, atol=1e-6)


def test_the_shared_form_without_pictures_is_bpr_mf_without_biases(world: World) -> None:
    blind = vbpr(world, space="shared", item_bias=False, visual_bias=False)
    blind.views[0].present_N[:] = False  # type: ignore[index, operator]
    flat = model_of("bpr_mf", world, dim=3, regularisation=0.0)
    assert isinstance(flat, BPRMF)
    flat.load_state_dict({"user_UD": blind.user_UD.detach(), "item_NE": F.pad(blind.item_NE.detach(), (0, 1))})
    batch = rows(world, flat.needs, targets=True)
    torch.testing.assert_close(blind.loss(batch), flat.loss(batch))
    torch.testing.assert_close(blind.score_all(batch), flat.score_all(batch))


def features(model: VBPR, view: int, item: int) -> Tensor:
    """The vector as the layer reads it, with E and c after it."""
    part = model.views[view]
    f: Tensor = part.standard(part.table_NC[item])  # type: ignore[operator, index]
    return f / len(f) ** 0.5


@torch.no_grad()
@pytest.mark.parametrize("space", ["separate", "shared"])
@pytest.mark.parametrize("views", [["image"], ["text", "image"]])
def test_the_score_by_hand(space: str, views: list[str], world: World) -> None:
    model = vbpr(world, space=space, views=views)
    batch = rows(world, model.needs)
    score_BN = model.score_all(batch)
    assert score_BN.shape == (world.users, world.items + 1)
    for user, item in ((1, 3), (4, 9), (12, 15)):
        g_u = model.user_UD[user]
        t_u = g_u if model.taste_UK is None else model.taste_UK[user]
        expected = model.item_NE[item, -1] + g_u @ model.item_NE[item, :-1]
        for number, view in enumerate(model.views):
            f = features(model, number, item)
            *e_KC, c_C = view.dense.weight  # type: ignore[union-attr, misc]
            expected += t_u @ (torch.stack(e_KC) @ f) + c_C @ f
        torch.testing.assert_close(score_BN[user - 1, item], expected)


@torch.no_grad()
def test_losses_by_hand(world: World) -> None:
    batch = row([], [4], negative_BLK=torch.tensor([[[7, 9]]]))
    for loss in ("bpr", "log"):
        model = vbpr(world, loss=loss, negatives=2, regularisation=0.1, features=0.2)
        assert model.taste_UK is not None
        own, first, second = model.score(batch, torch.tensor([[4, 7, 9]]))[0].tolist()
        assert model.loss(batch).shape == ()
        if loss == "bpr":
            choice = sum(math.log1p(math.exp(other - own)) for other in (first, second)) / 2
        else:
            choice = math.log1p(math.exp(-own)) + sum(math.log1p(math.exp(other)) for other in (first, second))
        square = [float(model.item_NE[item].square().sum()) for item in (4, 7, 9)]
        user = float(model.user_UD[1].square().sum() + model.taste_UK[1].square().sum())
        penalty = 0.05 * (user + square[0] + (square[1] + square[2]) / 2)
        penalty += 0.1 * float(model.views[0].dense.weight.square().sum())  # type: ignore[union-attr, operator]
        assert model.loss(batch).item() == pytest.approx(choice + penalty, rel=1e-5)


def test_channels_in_another_order_with_their_weights_change_nothing(world: World) -> None:
    model = vbpr(world)
    batch = rows(world, model.needs)
    before_BN, part, order_C = model.score_all(batch), model.views[0], torch.tensor([3, 0, 5, 1, 4, 2])
    part.table_NC = part.table_NC[:, order_C]  # type: ignore[index, assignment]
    for name in ("mean_C", "scale_C"):
        setattr(part.standard, name, getattr(part.standard, name)[order_C])
    assert not torch.allclose(model.score_all(batch), before_BN, atol=1e-3)
    with torch.no_grad():
        part.dense.weight.copy_(part.dense.weight[:, order_C])  # type: ignore[union-attr, operator, index]
    torch.testing.assert_close(model.score_all(batch), before_BN)


@torch.no_grad()
@pytest.mark.parametrize("settings", [{}, {"views": ["text", "image"]}, {"space": "shared"}, {"views": []}])
def test_parts_sum_to_the_score_and_a_missing_picture_adds_nothing(settings: dict[str, object], world: World) -> None:
    model = vbpr(world, **settings)
    batch = rows(world, model.needs)
    item_B = torch.arange(world.users) % world.items + 1
    (whole,) = model.explain(batch, item_B)
    torch.testing.assert_close(whole.value.sum(1), model.score(batch, item_B[:, None])[:, 0])
    pictureless = int((item_B == 2).nonzero())
    assert whole.valid[pictureless].tolist() == [False, False, True]
    assert whole.value[pictureless, :2].tolist() == [0.0, 0.0]
    for at, view in enumerate(("image", "text")):
        assert bool((whole.value[:, at] != 0).any()) == (view in model.config.views)


def test_what_a_batch_lacks_is_said(world: World) -> None:
    with pytest.raises(ValueError, match="drawn items; the batch has none"):
        vbpr(world).loss(row([], [4]))


def test_its_section_is_the_papers_form() -> None:
    config = models.configure(section("vbpr"))
    assert (config.space, config.item_bias, config.visual_bias, config.loss) == (  # type: ignore[attr-defined]
        "separate",
        True,
        True,
        "bpr",
    )
