"""FDSA: the attention among an item's features, and what is left of it without the second transformer."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import models
from engine.tables.settings import Choice
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.categories import Categories
from models.blocks.transformer import PostNorm, PreNorm
from models.fdsa import FDSA, Features, Named
from models.sasrec import SASRec
from tests.models.world import World, built, rows, section


def model_of(world: World, variant: str) -> FDSA:
    model = built("fdsa", variant, world).eval()
    assert isinstance(model, FDSA)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize("variant", ["categories", "post", "bce"])
def test_without_the_second_transformer_it_is_sasrec(world: World, variant: str) -> None:
    """W = [I 0], b = 0 and no norm: the same scores, the same loss and the same way for items to learn by it."""
    model = built("fdsa", variant, world).eval()
    assert isinstance(model, FDSA)
    objective, norm = model.config.objective, model.config.norm
    settings = section("sasrec", "chunked").settings | {"objective": objective, "norm": norm}
    plain = models.build(Choice(name="sasrec", settings=settings), world.catalog, world.users).eval()
    assert isinstance(plain, SASRec)
    with torch.no_grad():
        model.join.weight.copy_(torch.cat([torch.eye(16), torch.zeros(16, 16)], 1))
        model.join.bias.zero_()
    model.norm = torch.nn.Identity()  # type: ignore[assignment]
    plain.encoder.load_state_dict(model.items.state_dict())
    plain.embedding.load_state_dict(model.embedding.state_dict())
    batch = rows(world, model.needs, targets=True)
    torch.testing.assert_close(model.score_all(batch), plain.score_all(batch))
    losses = model.loss(batch), plain.loss(batch)
    torch.testing.assert_close(*losses)
    for loss in losses:
        loss.backward()
    torch.testing.assert_close(model.embedding.weight.grad, plain.embedding.weight.grad)


def test_the_attention_among_categories_by_hand() -> None:
    """Items 1 {a, b}, 2 {b}, 3 none; a step that stands in two paths counts once."""
    categories = Categories.of(torch.tensor([1, 1, 2]).numpy(), [["a", "b"], ["a"], ["b"]], 3)
    features = Features(Catalog(3, categories=categories), (), Named(Catalog(3, categories=categories), 2), 2)
    with torch.no_grad():
        assert features.named is not None
        features.named.row.weight.copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]))
        features.vote.weight.copy_(torch.tensor([[1.0, 1.0]]))
    part_VUD, share_VU = features(torch.tensor([3, 1, 0, 2]))
    first, second = torch.tensor([1.0, 2.0]).softmax(0)
    expected = torch.tensor([[0.0, 0.0], [float(first), 2 * float(second)], [0.0, 0.0], [0.0, 2.0]])
    torch.testing.assert_close(part_VUD, expected[None])
    torch.testing.assert_close(share_VU, torch.tensor([[0.0, 1.0, 0.0, 1.0]]))


def test_shares_of_views_and_categories_sum_to_1_where_there_is_anything(world: World) -> None:
    features = model_of(world, "all").features
    _, share_VU = features(torch.arange(world.items + 1))
    torch.testing.assert_close(share_VU.sum(0)[[1, 3, 4]], torch.ones(3))
    assert share_VU[:, [0, 2]].abs().sum() == 0  # padding; item 2 has neither picture nor text nor category
    assert bool((share_VU[:, [1, 3, 4]] > 0).all())


def test_the_order_of_features_is_none_of_the_model_s_business(world: World) -> None:
    one, other = model_of(world, "all"), built("fdsa", "all", world)
    assert one.features.kinds == ("image", "text")
    other.load_state_dict(one.state_dict())
    batch = rows(world, one.needs)
    assert torch.equal(one.score_all(batch), other.eval().score_all(batch))  # type: ignore[operator]


@torch.no_grad()
@pytest.mark.parametrize("variant", ["all", "post", "views"])
def test_the_score_by_hand(world: World, variant: str) -> None:
    """LN(W [O_i ; O_f] + b) . E, where O_i is of the items' rows and O_f of the sum of all that each item's features
    are weighed to; each transformer is of the norm that is asked.
    """
    model = model_of(world, variant)
    item_L = torch.tensor([3, 2, 5, 4])  # item 2 has no features
    f_LD = model.features(item_L)[0].sum(0)
    assert f_LD[1].tolist() == [0.0] * 16
    of_items_LD, of_features_LD = model.items(model.embedding.weight[item_L][None])[0], model.second(f_LD[None])[0]
    state_D = model.join.weight @ torch.cat([of_items_LD[-1], of_features_LD[-1]]) + model.join.bias
    state_D = F.layer_norm(state_D, (16,), model.norm.weight, model.norm.bias)
    batch = Batch(torch.tensor([1]), item_L[None], torch.tensor([4]), item_L[None])
    torch.testing.assert_close(model.score_all(batch)[0], model.embedding.weight @ state_D)
    kinds = {type(block) for encoder in (model.items, model.second) for block in encoder.blocks}
    assert kinds == {PostNorm if variant == "post" else PreNorm}


@torch.no_grad()
def test_the_attention_among_views_and_categories_by_hand(world: World) -> None:
    """One softmax over the picture, the text and each category of item 4."""
    features = model_of(world, "all").features
    part_VUD, share_VU = features(torch.tensor([5, 4]))
    assert features.named is not None
    image_D, text_D = (view(torch.tensor([4]))[0][0] for view in features.views)
    names = world.catalog.categories.names
    row_CD = features.named.row.weight[[names.index(name) + 1 for name in ("all", "kind 1", "own 0")]]
    alpha = (torch.stack([image_D, text_D, *row_CD]) @ features.vote.weight[0]).softmax(0)
    expected_VD = torch.stack([alpha[0] * image_D, alpha[1] * text_D, alpha[2:] @ row_CD])
    torch.testing.assert_close(part_VUD[:, 1], expected_VD)
    torch.testing.assert_close(share_VU[:, 1], torch.stack([alpha[0], alpha[1], alpha[2:].sum()]))


@pytest.mark.parametrize("variant", ["categories", "views"])
def test_a_past_item_s_features_count_and_a_candidate_s_do_not(world: World, variant: str) -> None:
    model = model_of(world, variant)
    item_BL = torch.tensor([[3, 5, 4]])
    batch = Batch(torch.tensor([1]), item_BL, torch.tensor([3]), item_BL)

    def moved(item: int) -> Tensor:
        """How far the scores of items 6 and 7 go when an item's features are gone."""
        before = model.score(batch, torch.tensor([[6, 7]]))
        whole = model.features.forward

        def without(item_U: Tensor) -> tuple[Tensor, Tensor]:
            part_VUD, share_VU = whole(item_U)
            return part_VUD * (item_U != item)[:, None], share_VU

        model.features.forward = without  # type: ignore[method-assign]
        found = (model.score(batch, torch.tensor([[6, 7]])) - before).abs().max()
        model.features.forward = whole  # type: ignore[method-assign]
        return found

    assert moved(5) > 1e-4
    assert moved(6) == 0


def test_its_reasons_show_the_views_attention(world: World) -> None:
    model = model_of(world, "all")
    batch = rows(world, model.needs)
    history, views = model.explain(batch, batch.item_BL[:, 0])
    assert (history.over, views.over) == ("history", "view")
    assert views.value.shape == (*batch.item_BL.shape, 2)
    _, share_VU = model.features(torch.tensor([int(batch.item_BL[0, 0])]))
    torch.testing.assert_close(views.value[0, 0], share_VU[:2, 0])
    assert not views.valid[batch.item_BL == 2].any()  # it has neither
    assert views.valid[(batch.item_BL > 0) & (batch.item_BL != 2)].all()
    assert len(model_of(world, "categories").explain(batch, batch.item_BL[:, 0])) == 1
    settings = section("fdsa", "all").settings | {"features": ["text", "categories"]}
    told = models.build(Choice(name="fdsa", settings=settings), world.catalog, world.users)
    assert isinstance(told, FDSA)
    views = told.eval().explain(batch, batch.item_BL[:, 0])[1]
    assert not views.valid[..., 0].any()  # the picture's place is the first, whatever is read
    assert views.valid[..., 1].any()


@torch.no_grad()
def test_the_history_s_attention_is_the_items_transformer_s(world: World) -> None:
    model = model_of(world, "categories")
    batch = rows(world, model.needs)
    before = model.explain(batch, batch.item_BL[:, 0])[0].value
    for parameter in [*model.second.parameters(), *model.features.parameters()]:
        parameter.add_(torch.randn_like(parameter))
    assert torch.equal(model.explain(batch, batch.item_BL[:, 0])[0].value, before)


def test_what_is_asked_of_the_catalogue_are_the_features(world: World) -> None:
    views = {variant: set(built("fdsa", variant, world).needs.views) for variant in ("categories", "views", "all")}
    all_of_them = {"categories", "image", "text"}
    assert views == {"categories": {"categories"}, "views": {"image", "text"}, "all": all_of_them}
    assert model_of(world, "views").features.named is None
