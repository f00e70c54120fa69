"""MIN: its equations on numbers, what its variants reduce to, and what its reasons sum to."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import models
from engine.tables.settings import Choice
from engine.training.batch import Batch
from engine.training.contract import Weights
from engine.training.needs import Needs
from models.blocks.objective import against
from models.blocks.pooled import spread
from models.min_net import MIN
from tests.models.variants import VARIANTS
from tests.models.world import World, built, rows, section

AUXILIARY = {"translation": 0.1, "contrast": 0.1, "form": "logistic", "detach": False}


def net(world: World, variant: str = "whole", **changes: object) -> MIN:
    settings = section("min_net", variant).settings | changes
    torch.manual_seed(1)
    model = models.build(Choice(name="min_net", settings=settings), world.catalog, world.users).eval()
    assert isinstance(model, MIN)
    return model


def row(items: list[int], target: list[int], **changes: Tensor) -> Batch:
    item_BL, one = torch.tensor([items]), torch.tensor([1])
    batch = Batch(one, item_BL, torch.tensor([len(items)]), item_BL, target_BL=torch.tensor([target]))
    return batch.but(**changes)


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Att of section 3.3 for the newest event, over all given."""
    weight = [math.exp(float(q @ k_i) / math.sqrt(len(q))) for k_i in k]
    total = torch.zeros(v.shape[1])
    for w, v_i in zip(weight, v, strict=True):
        total = total + w / sum(weight) * v_i
    return total


@torch.no_grad()
def test_the_score_is_the_printed_equations_step_by_step(world: World) -> None:
    """Sections 4.1 and 4.2 with bare attention, for the newest of three events that have both views."""
    model = net(world, "printed_attention")
    history, asked = [3, 5, 4], 7
    part, _, _ = model._told(None)
    x = [p[history] + model.sequence.slot_LD[:3] for p in part]  # type: ignore[index]
    own = []
    for layer, x_LD in zip(model.sequence.own, x, strict=True):  # type: ignore[arg-type]
        q, k, v = (x_LD @ w.weight.T for w in (layer.query, layer.key, layer.value))
        own.append(torch.stack([attention(q[n], k[: n + 1], v[: n + 1]) for n in range(3)]))
    state = []
    for layer, asking, of in ((model.sequence.cross[0], own[0], own[1]), (model.sequence.cross[1], own[1], own[0])):  # type: ignore[index]
        state.append(attention(layer.query(asking[-1]), layer.key(of), layer.value(of)))
    expected = torch.cat([*state, own[2][-1]]) @ torch.cat([p[asked] for p in part])
    found = model.score(row(history, [0] * 3), torch.tensor([[asked]]))[0, 0]
    torch.testing.assert_close(found, expected)


@torch.no_grad()
def test_the_contrast_by_hand(world: World) -> None:
    for form, margin in (("logistic", 0.0), ("printed", 1.0)):
        model = net(world, "whole", auxiliary=AUXILIARY | {"form": form})
        model._turn = lambda positions: 1  # type: ignore[method-assign]
        anchor = torch.tensor([[[1.0, 2.0], [0.5, -1.0], [3.0, 1.0]]])
        image = torch.tensor([[[0.5, 1.0], [2.0, 0.0], [1.0, 1.0]]])
        text = torch.zeros(1, 3, 2)
        here, nowhere = torch.ones(1, 3, dtype=torch.bool), torch.zeros(1, 3, dtype=torch.bool)
        own = [2.5, 1.0, 4.0]  # the products of each anchor and its own partner
        false = [2.0, -0.5, 2.5]  # and of each with the next one's
        true = sum(math.log1p(math.exp(-f / math.sqrt(2))) for f in own) / 3
        wrong = [math.log1p(math.exp(f / math.sqrt(2) - margin)) for f in false]
        batch = row([3, 5, 4], [0, 0, 0])
        found = model._contrast(batch, [image, text, anchor], [here, nowhere, here]).item()
        assert found == pytest.approx(true + sum(wrong) / 3, rel=1e-5)
        # the second and third event are of one item: no corrupted pair of theirs
        found = model._contrast(row([3, 5, 5], [0, 0, 0]), [image, text, anchor], [here, nowhere, here]).item()
        assert found == pytest.approx(true + (wrong[0] + wrong[2]) / 2, rel=1e-5)


def test_without_the_auxiliary_losses_it_is_the_next_item_alone(world: World) -> None:
    alone, batch = net(world, "next_alone"), rows(world, net(world).needs, targets=True)
    choice = against(alone.config.objective, alone.states(batch), alone.keys, batch, weight=alone.config.negatives)
    torch.testing.assert_close(alone.loss(batch), choice)
    part, there, missed = alone._met(batch)
    for variant, extra in (
        ("next_and_translation", 0.1 * missed),
        ("next_and_contrast", 0.1 * alone._contrast(batch, *alone.sequence(part, there))),
    ):
        torch.manual_seed(5)
        model = net(world, variant)
        model._turn = alone._turn = lambda positions: 3  # type: ignore[method-assign]
        extra = extra if "translation" in variant else 0.1 * alone._contrast(batch, *alone.sequence(part, there))
        assert extra.item() > 1e-3
        torch.testing.assert_close(model.loss(batch), choice + extra)


@torch.no_grad()
def test_the_next_item_by_hand(world: World) -> None:
    """Eq. 2: the expectation over negatives is the mean over the shared draws; the target is none of them."""
    model = net(world, "bce_popular", auxiliary=AUXILIARY | {"translation": 0.0, "contrast": 0.0})
    batch = row([3, 5], [0, 9], shared_S=torch.tensor([7, 9, 1, 1]))
    own, *other = model.score(batch, torch.tensor([[9, 7, 1, 1]]))[0].tolist()
    negative = sum(math.log1p(math.exp(s)) for s in other) / 3
    assert model.loss(batch).item() == pytest.approx(math.log1p(math.exp(-own)) + 4 * negative, rel=1e-4)


def test_min_s_ignores_all_but_the_last_item(world: World) -> None:
    model, other = net(world, "last"), net(world)
    one, two = row([3, 5, 4, 9], [0] * 4), row([6, 7, 1, 9], [0] * 4)
    assert torch.equal(model.score_all(one), model.score_all(two))
    assert not torch.allclose(other.score_all(one), other.score_all(two), atol=1e-3)
    assert not torch.allclose(model.score_all(row([9, 4], [0, 0])), model.score_all(one), atol=1e-3)
    torch.testing.assert_close(model.query(one)[0], model.keys()[9])


@pytest.mark.parametrize("variant", ["whole", "printed_attention", "parallel_lstm", "mixed_lstm"])
@pytest.mark.parametrize("view", ["image", "text"])
def test_each_view_of_a_future_item_stays_in_the_future(variant: str, view: str) -> None:
    world = World([[3, 5, 4, 9]], 9)
    model, batch = net(world, variant), row([3, 5, 4, 9], [0] * 4)
    before = model.states(batch)
    world.catalog.vector(view)[4] *= -2.0
    after = model.states(batch)
    assert torch.equal(before[:, :2], after[:, :2])
    assert bool((before[:, 2:] - after[:, 2:]).abs().amax(-1).min() > 1e-4)


def test_crossing_is_symmetric_where_the_views_are(world: World) -> None:
    sequence = net(world).sequence
    sequence.own[1].load_state_dict(sequence.own[0].state_dict())  # type: ignore[index,union-attr,operator]
    part, there = torch.randn(2, 5, 16), torch.ones(2, 5, dtype=torch.bool)
    first, second, own = sequence([part] * 3, [there] * 3)[0]
    assert not torch.allclose(first, second, atol=1e-3)
    sequence.cross[1].load_state_dict(sequence.cross[0].state_dict())  # type: ignore[index,union-attr,operator]
    first, second, again = sequence([part] * 3, [there] * 3)[0]
    torch.testing.assert_close(first, second)
    assert torch.equal(own, again)


def test_min_i_reads_the_views_as_they_are(world: World) -> None:
    model = net(world, "no_translation")
    given, there, missed = *model.items(None), model._told(None)[2]
    for part, view in zip(model._told(None)[0], given, strict=True):
        assert torch.equal(part, view)
    assert missed.item() == 0
    assert not any("translation" in name for name, _ in model.named_parameters())
    assert len(there) == 3


@pytest.mark.parametrize(
    ("variant", "blind"), [("no_image", ["image"]), ("no_text", ["text"]), ("no_views", ["image", "text"]), ("sum", [])]
)
def test_a_variant_does_not_see_the_view_it_is_without(variant: str, blind: list[str]) -> None:
    world = World([[3, 5, 4, 9], [1, 6, 7]], 9)
    model = net(world, variant)
    before = model.score_all(rows(world, model.needs))
    for view in ("image", "text"):
        given = world.catalog.vector(view)[3].clone()
        world.catalog.vector(view)[3] += 1.0
        assert torch.equal(model.score_all(rows(world, model.needs)), before) == (view in blind), view
        world.catalog.vector(view)[3] = given
    assert model.needs.views == {"image", "text"} - set(blind)


def test_the_recurrences_are_torchs(world: World) -> None:
    batch = row([3, 5, 4], [0] * 3)
    parallel, mixed = net(world, "parallel_lstm"), net(world, "mixed_lstm")
    part = [p[batch.item_BL] for p in parallel._told(None)[0]]
    expected = torch.cat([layer(p)[0] for layer, p in zip(parallel.sequence.layers, part, strict=True)], -1)  # type: ignore[arg-type]
    torch.testing.assert_close(parallel.states(batch), expected)
    part = [p[batch.item_BL] for p in mixed._told(None)[0]]
    assert isinstance(mixed.sequence.layer, nn.LSTM)
    torch.testing.assert_close(mixed.states(batch), mixed.sequence.layer(torch.cat(part, -1))[0])
    assert mixed._contrast(batch, part, [batch.valid_BL] * 3).item() == 0


@torch.no_grad()
def test_parts_are_multiplied_or_added_on_both_sides_alike(world: World) -> None:
    batch = row([3, 2, 4], [0] * 3)
    for variant in ("sum", "product"):
        model = net(world, variant)
        state, seen = model.sequence(*model._met(batch)[:2])
        part, there, _ = model._told(torch.tensor([2, 7]))
        assert [t.tolist() for t in there] == [[False, True], [False, True], [True, True]]
        image, text, own = (s[0, -1] for s in state)
        if variant == "sum":
            alone, whole = part[2][0], part[0][1] + part[1][1] + part[2][1]
            expected = (image + text + own) @ torch.stack([alone, whole]).T
        else:  # item 2 has no views: they count as ones
            alone, whole = part[2][0], part[0][1] * part[1][1] * part[2][1]
            expected = (image * text * own) @ torch.stack([alone, whole]).T
        torch.testing.assert_close(model.score(batch, torch.tensor([[2, 7]]))[0], expected)
        assert all(bool(s.all()) for s in seen)


def test_an_event_without_a_view_is_neutral_to_it(world: World) -> None:
    """Item 2 has neither picture nor text: nothing of it is attended to but its row, and alone it has only that."""
    model = net(world, "printed_attention")
    part, there, _ = model._met(row([3, 2, 4], [0] * 3))
    picture, text, own = model.sequence.traced(part, there, torch.tensor([2]))  # type: ignore[operator]
    assert picture.share_BL[0, 1] == text.share_BL[0, 1] == 0
    assert own.share_BL[0, 1] > 0
    image, text, own = model.states(row([2], [0]))[0, 0].chunk(3)
    assert not image.any()
    assert not text.any()
    assert own.all()


def history(reasons: list[Weights]) -> Weights | None:
    return next((r for r in reasons if r.over == "history"), None)


@pytest.mark.parametrize("variant", VARIANTS["min_net"])
def test_reasons_that_say_so_sum_to_the_score(variant: str, world: World) -> None:
    model = net(world, variant)
    batch, item_B = rows(world, model.needs), torch.arange(1, world.users + 1)
    reasons, score_B = model.explain(batch, item_B), model.score(batch, item_B[:, None])[:, 0]
    assert [r.over for r in reasons].count("view") == (variant != "product")
    for reason in reasons:
        assert reason.faithful == (reason.kind == "signed")
        if reason.faithful:
            torch.testing.assert_close(reason.value.sum(1), score_B, msg=lambda m, over=reason.over: f"{over}: {m}")
    told = history(reasons)
    plain = variant.startswith("printed_a") or variant == "printed_sum"
    assert (told is not None) == (model.config.sequence == "attention")
    assert told is None or told.faithful == plain


@torch.no_grad()
def test_shares_are_those_that_the_attention_used(world: World) -> None:
    layer = net(world, "printed_attention").sequence.own[0]  # type: ignore[index]
    asking, other, there = torch.randn(2, 5, 16), torch.randn(2, 5, 16), torch.rand(2, 5) > 0.4
    share_BLL = layer.shares(asking, other, there)  # type: ignore[operator]
    torch.testing.assert_close(share_BLL @ layer.value(other), layer(asking, other, there))  # type: ignore[operator]
    blind = (there.cumsum(1) == 0)[..., None].expand_as(share_BLL)
    assert bool(blind.any())
    assert not share_BLL[blind].any()


def test_gradients_are_the_finite_differences(world: World) -> None:
    """Through both attentions, also where an event has nothing to attend to, in double precision."""
    for variant in ("whole", "printed_attention"):
        sequence = net(world, variant).sequence.double()
        part = [torch.randn(2, 3, 16, dtype=torch.float64, requires_grad=True) for _ in range(3)]
        there = [torch.tensor([[False, True, True], [True, False, True]]) for _ in range(2)]
        there.append(torch.ones(2, 3, dtype=torch.bool))

        def states(*given: Tensor, sequence: nn.Module = sequence, there: list[Tensor] = there) -> Tensor:
            return torch.cat(sequence(list(given), there)[0], -1)

        assert torch.autograd.gradcheck(states, tuple(part), fast_mode=True)


def test_translation_by_hand(world: World) -> None:
    """Item 2 has no views; item 3 has both."""
    item_U = torch.tensor([2, 3])
    for variant in ("whole", "own_translation"):
        model = net(world, variant)
        (image, text, _), there = model.items(item_U)
        v = model.translation.picture(image[1])  # type: ignore[operator]
        t = model.translation.text(text[1])  # type: ignore[operator]
        goal = (text[1], image[1]) if variant == "whole" else (image[1], text[1])
        told, _, missed = model._told(item_U)
        torch.testing.assert_close(missed, (v - goal[0]).square().mean() + (t - goal[1]).square().mean())
        torch.testing.assert_close(torch.stack([told[0][1], told[1][1]]), torch.stack([v, t]))
        assert not told[0][0].any()
        assert not told[1][0].any()
        assert not there[0][0]


def test_a_detached_goal_is_not_moved(world: World) -> None:
    for variant, moved in (("whole", True), ("detached", False)):
        model = net(world, variant)
        text = model.items.views[1].dense.weight  # type: ignore[union-attr]
        model.translation.text = nn.Sequential(nn.Linear(16, 16))  # its input is no way to the goal
        for p in model.translation.text.parameters():
            nn.init.zeros_(p)
        grad = torch.autograd.grad(model._told(torch.tensor([3, 5]))[2], text, allow_unused=True)[0]  # type: ignore[arg-type]
        assert (grad is not None and bool(grad.abs().max() > 1e-4)) == moved


def test_each_view_has_its_place() -> None:
    value = torch.tensor([[1.0, 2.0]])
    assert spread(value, ("text",)).tolist() == [[0, 1, 2]]
    assert spread(value, ("image",)).tolist() == [[1, 0, 2]]
    assert spread(value[:, :1], ()).tolist() == [[0, 0, 1]]
    assert spread(torch.tensor([[True, True]]), ("text",)).tolist() == [[False, True, True]]


def test_needs_follow_the_settings() -> None:
    needs = {v: models.configure(section("min_net", v)).needs for v in VARIANTS["min_net"]}
    both = frozenset({"image", "text"})
    assert needs["bce"] == Needs(length=8, negatives=3, views=both)  # type: ignore[arg-type]
    assert needs["bce_popular"] == needs["sampled"] == Needs(length=8, shared=6, views=both)  # type: ignore[arg-type]
    assert needs["chunked"] == Needs(length=8, views=both)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"models\.min_net\.views"):
        models.configure(Choice(name="min_net", settings=section("min_net", "whole").settings | {"views": ["words"]}))


def test_what_a_batch_lacks_is_said(world: World) -> None:
    batch = row([3], [5])
    for name, variant, match in (
        ("min_net", "bce_popular", "bce_popular compares with shared items; the batch has none"),
        ("min_net", "sampled", "sampled compares with shared items; the batch has none"),
        ("min_net", "bce", "bce compares with drawn items; the batch has none"),
        ("mahn", "cat_cat", "bpr compares with drawn items; the batch has none"),
    ):
        with pytest.raises(ValueError, match=match):
            built(name, variant, world).loss(batch)  # type: ignore[operator]
        with pytest.raises(ValueError, match="without targets has no loss"):
            built(name, variant, world).loss(batch.but(target_BL=None))  # type: ignore[operator]


def test_a_softmax_over_what_is_compared_is_one_over_the_catalog(world: World) -> None:
    """Only the compared items are encoded; with every item drawn, each as often as expected, it is the full one."""
    model = net(world, "next_alone")
    batch = row([3, 5], [4, 9])
    everything = batch.but(shared_S=torch.arange(1, world.items + 1), expected_S=torch.zeros(world.items))
    full, sampled = (
        against(objective, model.states(batch), model.keys, everything) for objective in ("full", "sampled")
    )
    torch.testing.assert_close(full, sampled)
    logit = model.states(batch)[0] @ model.keys()[1:].T
    torch.testing.assert_close(full, F.cross_entropy(logit, torch.tensor([3, 8])))


@torch.no_grad()
def test_the_attention_to_a_sequence_is_that_through_which_the_other_view_asked_it(world: World) -> None:
    """Figure 7: the texts' is of the state that pictures ask texts with, and the pictures' of the other."""
    model = net(world, "printed_attention")
    batch = row([3, 5, 4], [0] * 3)
    part, there, _ = model._met(batch)
    placed = [p + model.sequence.slot_LD[:3] for p in part]  # type: ignore[index]
    own, cross = model.sequence.own, model.sequence.cross
    state = [layer(x, x, t) for layer, x, t in zip(own, placed, there, strict=True)]  # type: ignore[arg-type]
    told = {r.name: r for r in model.explain(batch, torch.tensor([7])) if r.over == "gate"}
    assert list(told) == ["attention to pictures", "attention to texts", "attention to rows"]
    for name, asking, of in (("attention to texts", 0, 1), ("attention to pictures", 1, 0)):
        within_L = cross[asking].shares(state[asking], state[of], there[of])[0, -1]  # type: ignore[index]
        through_L = within_L @ own[of].shares(placed[of], placed[of], there[of])[0]  # type: ignore[index]
        torch.testing.assert_close(told[name].value[0], through_L)
        mixed_D = through_L @ cross[asking].value(own[of].value(placed[of]))[0]  # type: ignore[index]
        torch.testing.assert_close(mixed_D, model.states(batch)[0, -1].chunk(3)[asking])
    assert not torch.allclose(told["attention to texts"].value, told["attention to pictures"].value)


def test_an_item_without_a_view_is_not_in_its_sequence(world: World) -> None:
    reasons = net(world).explain(row([3, 2, 4], [0] * 3), torch.tensor([7]))
    told = {r.name: r for r in reasons if r.over == "gate"}
    for view in ("pictures", "texts"):
        assert told[f"attention to {view}"].valid.tolist() == [[True, False, True]]
        assert told[f"attention to {view}"].value[0, 1] == 0
    assert told["attention to rows"].valid.all()
    one = {r.name for r in net(world, "no_image").explain(row([3, 4], [0] * 2), torch.tensor([7])) if r.over == "gate"}
    assert one == {"attention to texts", "attention to rows"}
