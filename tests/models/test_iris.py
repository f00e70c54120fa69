"""IRIS: its reductions, what is missing, what the sharing unit does, what the loss and the reasons say."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import models
from engine.tables.settings import Choice
from engine.training.batch import Batch
from engine.training.interactions import Interactions
from engine.training.needs import Needs
from engine.training.sampling import batches
from models.blocks.asked import Asked, History
from models.blocks.views import SharedUnit
from models.iris import IRIS
from tests.models.world import World, built, drawn, rows, section

PICTURELESS = 2  # of the world's items


def iris(variant: str, world: World, **changes: object) -> IRIS:
    choice = section("iris", variant)
    torch.manual_seed(1)
    model = models.build(Choice(name="iris", settings=choice.settings | changes), world.catalog, world.users)
    assert isinstance(model, IRIS)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return model.eval()


def asked(world: World) -> Tensor:
    return torch.arange(1, world.items + 1).expand(world.users, -1)


def fism(model: IRIS, batch: Batch, item_BK: Tensor, power: float) -> Tensor:
    """Item by item: the mean similarity of the history without the target, to the power that the size is divided by."""
    score_BK = torch.zeros(item_BK.shape)
    for b, k in torch.cartesian_prod(*(torch.arange(n) for n in item_BK.shape)).tolist():
        j = item_BK[b, k]
        past = batch.item_BL[b][(batch.item_BL[b] > 0) & (batch.item_BL[b] != j)]
        score_BK[b, k] = (model.past_ND[past] @ model.target_ND[j]).sum() / max(len(past), 1) ** power
    return score_BK


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=2e-6)


@torch.no_grad()
@pytest.mark.parametrize("variant", ["multimodal", "added", "image", "text"])
def test_with_identical_features_it_is_fism_with_alpha_and_beta_added(variant: str, world: World) -> None:
    model, batch = iris(variant, world, alpha=0.2, beta=0.5), rows(world, Needs(8))
    assert not torch.allclose(model.score(batch, asked(world)), fism(model, batch, asked(world), 0.7), atol=1e-2)
    for module in model.modules():
        if hasattr(module, "vector_NC"):
            module.vector_NC[:] = module.vector_NC[1]
            module.present_N1[:] = 1.0
    halves = model.halves(torch.tensor([1, 7]))
    logit = F.relu(halves.past_NA[0] + halves.target_NA[1]) @ halves.out_A  # of every pair: it scales all scores alike
    expected = fism(model, batch, asked(world), 0.7) * torch.exp(0.5 * logit)
    close(model.score(batch, asked(world)), expected)
    with torch.no_grad():
        model.out_A.zero_()
    close(model.score(batch, asked(world)), fism(model, batch, asked(world), 0.7))


def test_without_its_text_weights_image_add_text_is_image(world: World) -> None:
    added, image = iris("added", world), iris("image", world)
    state = added.state_dict()
    image.load_state_dict({name: state[name] for name in image.state_dict()})
    batch = rows(world, Needs(8))
    assert not torch.allclose(added.score(batch, asked(world)), image.score(batch, asked(world)), atol=1e-3)
    with torch.no_grad():
        for dense in (added.past[1], added.target[1]):
            assert isinstance(dense.weight, Tensor)
            dense.weight.zero_()
    close(added.score(batch, asked(world)), image.score(batch, asked(world)))


def test_the_sharing_unit_by_hand_and_apart(world: World) -> None:
    """Eq. 7 and 8; with W_share at zero neither view reads the other."""
    model, item_U = iris("multimodal", world), torch.tensor([1, 5, 9])
    unit = model.layers
    assert isinstance(unit, SharedUnit)
    v0, t1 = unit.image.vector_NC[item_U], unit.text.vector_NC[item_U]
    v1 = F.relu(v0 @ unit.first.weight.T + unit.first.bias)
    image_UD, text_UD = model.views(item_U)
    close(image_UD, torch.sigmoid(v1 @ unit.of_image.weight.T + t1 @ unit.common.weight.T))
    close(text_UD, torch.sigmoid(t1 @ unit.of_text.weight.T + v1 @ unit.common.weight.T))
    with torch.no_grad():
        unit.common.weight.zero_()
        unit.text.vector_NC[item_U] += 1.0
    close(model.views(item_U)[0], torch.sigmoid(v1 @ unit.of_image.weight.T))
    assert not torch.allclose(model.views(item_U)[1], text_UD, atol=1e-3)


@pytest.mark.parametrize("variant", ["multimodal", "added"])
def test_an_item_without_picture_is_met_as_if_there_were_no_pictures(variant: str, world: World) -> None:
    """Its relevance is that of the text alone, whatever the image block does; with `zeros` it is not."""
    world.catalog.vector("text")[PICTURELESS] = torch.linspace(-1, 1, 5)
    try:
        for missing, same in (("neutral", True), ("zeros", False)):
            model = iris(variant, world, missing=missing)
            item_U = torch.tensor([PICTURELESS])
            image_UD, text_UD = model.views(item_U)
            assert bool((image_UD == 0).all()) == same
            halves = model.halves(item_U)
            past_UA = model.past[1](text_UD)
            assert torch.allclose(halves.past_NA, past_UA, atol=1e-6) == same
            target_UA = model.target[1](text_UD) + model.shift_A
            assert torch.allclose(halves.target_NA, target_UA, atol=1e-6) == same
            first = model.layers.first if variant == "multimodal" else model.layers[0].first  # type: ignore[index]
            with torch.no_grad():
                first.bias += 3.0  # type: ignore[union-attr, operator]
            assert torch.equal(model.halves(item_U).past_NA, halves.past_NA) == same
    finally:
        world.catalog.vector("text")[PICTURELESS] = 0


def test_the_score_by_hand(world: World) -> None:
    """Eq. 4 and 5 with two past items, dim 1, beta 0.8: all features 1 after their layers."""
    model = iris("image", world, dim=1, beta=0.8, alpha=0.5)
    with torch.no_grad():
        for module in model.modules():
            if hasattr(module, "vector_NC"):
                module.vector_NC[:] = torch.arange(world.items + 1.0)[:, None] / module.vector_NC.shape[1]
                module.present_N1[:] = 1.0
        layer = model.layers[0]  # type: ignore[index]
        layer.first.weight.fill_(1.0 / len(layer.first.weight))  # type: ignore[union-attr, operator, arg-type]
        layer.second.weight.fill_(1.0)  # type: ignore[union-attr, operator]
        layer.first.bias.zero_()  # type: ignore[union-attr, operator]
        layer.second.bias.zero_()  # type: ignore[union-attr, operator]
        model.past[0].weight.fill_(0.1)  # type: ignore[union-attr, operator]
        model.target[0].weight.fill_(0.2)  # type: ignore[union-attr, operator]
        model.shift_A.fill_(0.3)
        model.out_A.fill_(0.5)
        model.past_ND[:, 0] = torch.arange(world.items + 1.0)
        model.target_ND[:, 0] = 2.0
    batch = Batch(torch.tensor([1]), torch.tensor([[3, 6, 4]]), torch.tensor([3]), torch.tensor([[1, 2, 3]]))
    # the width of v2 of item i is i, as its two layers average and sum up
    logit = [0.5 * (0.1 * 3 + 0.2 * 4 + 0.3), 0.5 * (0.1 * 6 + 0.2 * 4 + 0.3)]  # item 4 itself does not count
    total = sum(math.exp(x) for x in logit)
    score = sum(math.exp(x) / total**0.8 * p * 2.0 for x, p in zip(logit, (3, 6), strict=True)) / math.sqrt(2)
    assert model.score(batch, torch.tensor([[4]])).item() == pytest.approx(score, rel=1e-5)


def test_the_loss_by_hand(world: World) -> None:
    """Eq. 12 with its signs mended: each positive and its negatives, the mean over positives, and the penalties."""
    penalty = {"factors": 0.01, "relevance": 0.02, "views": 0.03, "shared": 0.04}
    model = iris("multimodal", world, penalty=penalty, negatives=2)
    batch = rows(world, model.needs, targets=True)
    assert batch.target_BL is not None
    assert batch.negative_BLK is not None
    total, count = torch.zeros(()), 0
    for b, place in (batch.target_BL > 0).nonzero().tolist():
        before = Batch(
            batch.user_B[[b]],
            batch.item_BL[[b], : place + 1],
            torch.tensor([place + 1]),
            batch.event_BL[[b], : place + 1],
        )
        own = model.score(before, batch.target_BL[[b], place][:, None])
        other = model.score(before, batch.negative_BLK[[b], place])
        total, count = total + F.softplus(-own).sum() + F.softplus(other).sum(), count + 1
    unit = model.layers
    assert isinstance(unit, SharedUnit)
    irn = [*model.past.parameters(), *model.target.parameters()]
    squares = 0.01 * (model.past_ND.square().sum() + model.target_ND.square().sum())
    squares += 0.02 * sum(w.square().sum() for w in irn) + 0.04 * unit.common.weight.square().sum()
    squares += 0.03 * (unit.of_image.weight.square().sum() + unit.of_text.weight.square().sum())
    close(model.loss(batch), total / count + squares)


def test_learning_from_all_others_leaves_the_target_out(world: World) -> None:
    """Every event of a row is a target beside all the rest; its own row of P is nothing to it."""
    model, events = iris("others", world), world.interactions()
    user_B = torch.tensor([2])
    start_B, stop_B = events.offset_U[user_B], events.offset_U[user_B + 1]
    batch = drawn(world, model.needs, events.targets(start_B, stop_B, model.needs))
    assert batch.target_BL is not None
    assert torch.equal(batch.target_BL, batch.item_BL)
    seen, label_BT = Asked.learnt(batch, History(history="others"))
    assert label_BT.sum() == len(batch.item_BL[0])
    for t in range(0, seen.target_BT.shape[1], 1 + model.needs.negatives):
        kept_L = seen.kept_BTL()[0, t]
        assert torch.equal(kept_L, batch.item_BL[0] != seen.target_BT[0, t])
    before, _ = Asked.learnt(batch.but(target_BL=batch.item_BL), History())
    assert before.seen_BT[0, 0] == 1
    own = int(batch.item_BL[0, 3])
    only = batch.but(target_BL=torch.where(torch.arange(batch.item_BL.shape[1]) == 3, batch.item_BL, 0))
    losses = []
    for shift in (0.0, 5.0):
        with torch.no_grad():
            model.past_ND[own] += shift
        assert only.negative_BLK is not None
        away = only.but(negative_BLK=torch.full_like(only.negative_BLK, own))  # the same item: nothing reads P's row
        losses.append(model.loss(away) - model._penalty())
    close(losses[0], losses[1])


def test_every_event_of_a_set_is_learnt_once() -> None:
    """A user of one event has nothing else, and still is a target (of what is popular)."""
    world = World([[1, 2, 3, 4, 5], [6], [7, 8, 9]], 12)
    model = built("iris", "others", world)
    events: Interactions = world.interactions()
    found = []
    for start_B, stop_B in batches(events, 3, 2, torch.Generator().manual_seed(1), model.needs.ahead):
        batch = events.targets(start_B, stop_B, Needs(3, ahead=0))
        assert batch.target_BL is not None
        found += batch.target_BL[batch.target_BL > 0].tolist()
    assert sorted(found) == [1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_the_order_of_the_history_is_nothing_to_it(world: World) -> None:
    model, batch = iris("multimodal", world), rows(world, Needs(8))
    order_BL = torch.argsort(torch.where(batch.valid_BL, torch.rand(batch.item_BL.shape), 2.0), 1)
    turned = batch.but(item_BL=batch.item_BL.gather(1, order_BL))
    assert not torch.equal(turned.item_BL, batch.item_BL)
    close(model.score(turned, asked(world)), model.score(batch, asked(world)))


def test_signed_reasons_sum_to_the_score(world: World) -> None:
    for variant in ("multimodal", "item_bias"):
        model, batch = iris(variant, world), rows(world, Needs(8))
        item_B = torch.arange(world.users) % world.items + 1
        signed, share = model.explain(batch, item_B)
        assert (signed.kind, share.kind, signed.faithful) == ("signed", "share", True)
        bias_B = torch.zeros(world.users) if model.bias_N is None else model.bias_N[item_B]
        close(signed.value.sum(1) + bias_B, model.score(batch, item_B[:, None])[:, 0])
        assert not bool(signed.valid[batch.item_BL == item_B[:, None]].any())


def test_given_vectors_are_standardised_over_those_who_have_them(world: World) -> None:
    model = iris("image", world)
    given = next(m for m in model.modules() if hasattr(m, "vector_NC"))
    assert isinstance(given.vector_NC, Tensor)
    known = [i for i in range(1, world.items + 1) if i != PICTURELESS]
    close(given.vector_NC[known].mean(0), torch.zeros(6))
    close(given.vector_NC[known].std(0, correction=0), torch.ones(6))
    assert bool((given.vector_NC[[0, PICTURELESS]] == 0).all())
    as_given = next(m for m in iris("image", world, standard=False).modules() if hasattr(m, "vector_NC"))
    assert torch.equal(as_given.vector_NC, world.catalog.vector("image"))  # type: ignore[arg-type]
