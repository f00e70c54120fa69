"""FDSA: the attention among an item's features, and what is left of it without the second transformer."""

import pytest
import torch
from torch import Tensor

from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.categories import Categories
from models.fdsa import FDSA, Features, Named
from models.sasrec import SASRec
from tests.models.world import World, built, rows


def model_of(world: World, variant: str) -> FDSA:
    model = built("fdsa", variant, world).eval()
    assert isinstance(model, FDSA)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def test_without_the_second_transformer_it_is_sasrec(world: World) -> None:
    """W = [I 0] and b = 0: the same scores and, at the same seed, the same first numbers."""
    model, plain = built("fdsa", "categories", world).eval(), built("sasrec", "chunked", world).eval()
    assert isinstance(model, FDSA)
    assert isinstance(plain, SASRec)
    with torch.no_grad():
        model.join.weight.copy_(torch.cat([torch.eye(16), torch.zeros(16, 16)], 1))
        model.join.bias.zero_()
    plain.encoder.load_state_dict(model.items.state_dict())
    plain.embedding.load_state_dict(model.embedding.state_dict())
    batch = rows(world, model.needs, targets=True)
    torch.testing.assert_close(model.score_all(batch), plain.score_all(batch))
    torch.testing.assert_close(model.loss(batch), plain.loss(batch))


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
    assert len(model_of(world, "categories").explain(batch, batch.item_BL[:, 0])) == 1
