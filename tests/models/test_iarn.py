"""IARN against its paper: equations by hand, reductions of the card, what a pair may see."""

import math
from dataclasses import replace
from typing import Any

import polars as pl
import pytest
import torch
from torch import Tensor

import models
from engine.tables.arrays import category_paths, event_columns
from engine.tables.lacking import Lacking
from engine.training.catalog import Catalog
from engine.training.categories import Categories
from engine.training.interactions import Interactions
from models import iarn as module
from models.iarn import IARN
from tests.models.world import World, built, rows, section

DAY = 86400


def shaken(variant: str, world: World) -> IARN:
    model = built("iarn", variant, world)
    assert isinstance(model, IARN)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return model.eval()


def everything(world: World) -> Tensor:
    return torch.arange(1, world.items + 1).expand(world.users, -1)


def alike(model: IARN, other: IARN) -> IARN:
    """`other` with the parameters that both have, in the shapes that it has."""
    own = other.state_dict()
    for name, value in model.state_dict().items():
        if name in own:
            own[name] = value[tuple(slice(0, size) for size in own[name].shape)]
    other.load_state_dict(own)
    return other


def few(events: list[tuple[int, int, float, int]]) -> Interactions:
    """Events as (user, item, rating, day), sorted by user and day."""
    frame = pl.DataFrame(
        {
            "user": pl.Series([e[0] for e in events], dtype=pl.UInt32),
            "item": pl.Series([e[1] for e in events], dtype=pl.UInt32),
            "rating": pl.Series([e[2] for e in events], dtype=pl.Float32),
            "time": pl.from_epoch(pl.Series([e[3] * DAY for e in events])).cast(pl.Datetime("us", "UTC")),
        }
    )
    return Interactions.of(event_columns(frame), 4)


# User 1 did items 1, 2 and now 3; users 2 and 3 did item 3 before, user 2 again later.
STORY = [(1, 1, 4.0, 1), (1, 2, 2.0, 3), (1, 3, 5.0, 9), (2, 3, 3.0, 2), (2, 3, 1.0, 20), (3, 3, 5.0, 4)]


# ---- one score by hand


def test_a_score_by_hand() -> None:
    """Eq. 1-9 with one unit everywhere: both histories have two steps."""
    settings: dict[str, Any] = {"dim": 1, "hidden": 1, "inner": 1, "ratings": False, "features": "none", "dropout": 0.0}
    model = models.build(
        section("iarn").model_copy(update={"settings": section("iarn").settings | settings}), Catalog(4), 3
    )
    assert isinstance(model, IARN)
    sides = {"user": (0.5, 0.3, -0.2), "item": (-0.4, 0.6, 0.1)}  # recurrent weights: state, forth, back
    inputs = {"user": ((0.7, 0.9, 0.8), (0.1, 0.0, 0.2)), "item": ((1.1, 0.6, 0.5), (0.0, 0.3, 0.1))}
    fusion = {"user": (0.4, -0.3, 0.2, 0.5, 0.1, 1.5, -0.2), "item": (0.3, 0.2, -0.6, 0.7, 0.0, -1.2, 0.4)}
    tops = {"user": (1.3, -0.1), "item": (-0.8, 0.2)}
    items, users = (0.0, 0.5, -0.3, 0.2, 0.0), (0.0, 0.1, 0.8, 0.6)
    with torch.no_grad():
        model.histories.item_ND.copy_(torch.tensor(items)[:, None])
        model.histories.user_UD.copy_(torch.tensor(users)[:, None])
        for place, name in enumerate(("user", "item")):
            side = getattr(model, name)
            side.weight_WHH.copy_(torch.tensor(sides[name])[:, None, None])
            side.input.weight.copy_(torch.tensor(inputs[name][0])[:, None])
            side.input.bias.copy_(torch.tensor(inputs[name][1]))
            forth, back, far, near, bias, vote, free = fusion[name]
            side.own.weight.copy_(torch.tensor([[forth, back]]))
            side.own.bias.fill_(bias)
            side.cross.weight.copy_(torch.tensor([[far, near]]))
            side.vote.weight.fill_(vote)
            side.vote.bias.fill_(free)
            model.tops[place].weight.fill_(tops[name][0])  # type: ignore[operator]
            model.tops[place].bias.fill_(tops[name][1])  # type: ignore[operator]

    def relu(value: float) -> float:
        return max(value, 0.0)

    def ends(name: str, steps: list[float]) -> tuple[list[float], list[float]]:
        (_, forth_in, back_in), (_, forth_bias, back_bias) = inputs[name]
        _, forth_w, back_w = sides[name]
        forth, back = [0.0], [0.0]
        for x in steps:
            forth.append(relu(forth_in * x + forth_w * forth[-1] + forth_bias))
        for x in reversed(steps):
            back.append(relu(back_in * x + back_w * back[-1] + back_bias))
        return forth[1:], back[:0:-1]

    did, done_by = [items[1], items[2]], [users[2], users[3]]
    read = {"user": ends("user", did), "item": ends("item", done_by)}
    outcome = []
    for name, other, steps in (("user", "item", did), ("item", "user", done_by)):
        forth, back = read[name]
        last, first = read[other][0][-1], read[other][1][0]
        f, b, far, near, bias, vote, free = fusion[name]
        state = 0.0
        for t, x in enumerate(steps):
            fused = math.tanh(f * forth[t] + b * back[t] + far * last + near * first + bias)
            gate = 1 / (1 + math.exp(-(vote * fused + free)))
            brought = relu(sides[name][0] * state + inputs[name][0][0] * x + inputs[name][1][0])
            state = (1 - gate) * state + gate * brought
        value = tops[name][0] * state + tops[name][1]
        outcome.append(value if value > 0 else 0.25 * value)
    events = few(STORY)
    batch = events.before(torch.tensor([1]), torch.tensor([2]), model.needs)
    score = model.eval().score(batch, torch.tensor([[3]]))
    assert outcome[0] * outcome[1] != 0
    assert score.item() == pytest.approx(outcome[0] * outcome[1], abs=1e-6)


# ---- reductions of the card


def test_tagm_is_iarn_without_the_cross_input(world: World) -> None:
    iarn = shaken("iarn_plain", world)
    tagm = alike(iarn, shaken("tagm_backbone", world))
    batch, item_BK = rows(world, iarn.needs), everything(world)
    assert not torch.allclose(iarn.score(batch, item_BK), tagm.score(batch, item_BK), atol=1e-3)
    printed = iarn.config
    iarn.config = printed.model_copy(update={"readings": printed.readings.model_copy(update={"summary": 0.0})})
    torch.testing.assert_close(iarn.score(batch, item_BK), tagm.score(batch, item_BK))
    iarn.config = printed
    with torch.no_grad():
        for side in (iarn.user, iarn.item):
            side.cross.weight.zero_()  # type: ignore[union-attr, operator]
    torch.testing.assert_close(iarn.score(batch, item_BK), tagm.score(batch, item_BK))


def test_gates_at_one_are_a_plain_recurrence(world: World) -> None:
    iarn = shaken("iarn_plain", world)
    with torch.no_grad():
        for side in (iarn.user, iarn.item):
            side.vote.weight.zero_()  # type: ignore[union-attr, operator]
            side.vote.bias.fill_(60.0)  # type: ignore[union-attr, operator]
    plain = alike(iarn, shaken("rnn_backbone", world))
    batch, item_BK = rows(world, iarn.needs), everything(world)
    torch.testing.assert_close(iarn.score(batch, item_BK), plain.score(batch, item_BK))


def test_without_a_scale_every_gate_is_a_half_and_old_steps_fade(world: World) -> None:
    iarn = shaken("iarn_plain", world)
    iarn.config = iarn.config.model_copy(update={"readings": iarn.config.readings.model_copy(update={"scale": 0.0})})
    share, _, gate, _ = iarn.explain(rows(world, iarn.needs), torch.ones(world.users, dtype=torch.long))
    assert bool((gate.value[gate.valid] == 0.5).all())
    for row_L, valid_L in zip(share.value, share.valid, strict=True):
        count = int(valid_L.sum())
        assert row_L[:count].tolist() == [0.5 ** (count - t) for t in range(count)]


def test_partners_change_gates_only_where_they_interact(world: World) -> None:
    batch = rows(world, shaken("iarn_plain", world).needs)
    for variant, differ in (("iarn_plain", True), ("tagm_backbone", False)):
        model = shaken(variant, world)
        found = [model.explain(batch, torch.full((world.users,), item))[2].value for item in (3, 9)]
        assert bool((found[0] != found[1]).any()) == differ


def test_identity_matrices_change_nothing_and_the_root_comes_first(world: World) -> None:
    deep = shaken("iarn_hierarchical", world)
    plain = alike(deep, shaken("iarn_plain", world))
    matrix_CDD = deep.histories.features.matrix_CDD
    with torch.no_grad():
        matrix_CDD.copy_(torch.eye(matrix_CDD.shape[1]))  # type: ignore[operator, arg-type]
    batch, item_BK = rows(world, deep.needs), everything(world)
    torch.testing.assert_close(deep.score(batch, item_BK), plain.score(batch, item_BK))

    paths = [[["root", "leaf"]], [["root"], ["leaf", "root"]], None]
    tree = Categories.of(*category_paths(pl.DataFrame({"item": [1, 2, 3], "categories": paths})), 3)
    assert tree.names == ("leaf", "root")
    x, leaf, root = (
        torch.tensor([[1.0, 2.0]]),
        torch.tensor([[0.0, 1.0], [1.0, 1.0]]),
        torch.tensor([[2.0, 0.0], [0.0, 3.0]]),
    )
    for form, expected in (
        ("hierarchical", [leaf @ root @ x[0], (root + root @ leaf) @ x[0] / 2, x[0]]),
        ("flat", [(leaf + root) @ x[0], (leaf + root) @ x[0], x[0]]),
    ):
        from models.blocks.categories import FEATURES

        features = FEATURES[form](Catalog(3, categories=tree), 2)
        with torch.no_grad():
            features.matrix_CDD.copy_(torch.stack([leaf, root]))  # type: ignore[operator, union-attr]
        mapped = features(x.expand(4, -1), torch.tensor([2, 0, 1, 0]), torch.tensor([1, 2, 3]))
        torch.testing.assert_close(mapped, torch.stack([expected[2], expected[0], expected[1], expected[0]]))


def test_the_last_state_is_the_weighed_sum_of_what_the_steps_bring(world: World) -> None:
    model = shaken("iarn_plain", world).double()
    batch = rows(world, model.needs)
    batch = batch.but(rating_BL=batch.rating_BL.double() if batch.rating_BL is not None else None)
    read = model._users(batch)
    met = model.user.meet(read, torch.randn(world.users, 16, dtype=torch.double), None)
    share_BL, gate_BL, _ = met.weights(batch.item_BL.shape[1])
    weight_HH, bring_BLH = model.user.weight_WHH[0], read.layout.spread(read.drive_XH, batch.item_BL.shape[1])  # type: ignore[union-attr, index]
    state_BH = torch.zeros_like(met.last_PH)
    total_BH = torch.zeros_like(met.last_PH)
    for t in range(batch.item_BL.shape[1]):
        brought_BH = torch.relu(state_BH @ weight_HH.T + bring_BLH[:, t])  # type: ignore[operator]
        state_BH = state_BH + gate_BL[:, t, None] * (brought_BH - state_BH)
        total_BH = total_BH + share_BL[:, t, None] * brought_BH
    torch.testing.assert_close(met.last_PH, state_BH)
    torch.testing.assert_close(met.last_PH, total_BH)


def test_the_attention_s_activation_is_a_setting(world: World) -> None:
    relu, softplus = shaken("iarn_plain", world), shaken("official", world)
    assert (softplus.user.activation, softplus.item.activation) == ("softplus", "softplus")  # type: ignore[union-attr]
    read = softplus._users(rows(world, softplus.needs))
    assert read.summary_BS is not None
    assert bool((read.summary_BS[read.layout.length_B > 0] > 0).all())
    assert bool((relu._users(rows(world, relu.needs)).summary_BS == 0).any())  # type: ignore[union-attr]


def test_a_rating_is_one_more_channel_from_the_middle_of_its_scale(world: World) -> None:
    model = shaken("iarn_plain", world)
    batch = few(STORY).before(torch.tensor([1]), torch.tensor([2]), model.needs)
    value_XE, layout = model.histories.of_users(batch)
    assert layout.spread(value_XE, 2)[0, :, -1].tolist() == [0.5, -0.5]  # of 4 and 2
    history_U2, _ = model.histories.asked(batch, torch.tensor([[3]]))
    value_XE, layout, user_X = model.histories.of_items(batch, history_U2, 6)
    assert layout.spread(user_X, 2).tolist() == [[2, 3]]
    assert layout.spread(value_XE, 2)[0, :, -1].tolist() == [0.0, 1.0]  # of 3 and 5
    value_XE, layout, user_X = model.histories.of_items(batch, history_U2, 1)
    assert user_X.tolist() == [3], "the last ones are read"


def test_the_lstm_s_last_state_is_torch_s_of_each_row_alone(world: World) -> None:
    model = shaken("lstm_backbone", world)
    batch = rows(world, model.needs)
    value_XE, layout = model.histories.of_users(batch)
    met = model.user.meet(model.user(value_XE, layout), None, None)
    width = batch.item_BL.shape[1]
    for value_LE, steps, last_H in zip(layout.spread(value_XE, width), layout.length_B, met.last_PH, strict=True):
        torch.testing.assert_close(last_H, model.user.lstm(value_LE[:steps])[0][-1])  # type: ignore[operator, union-attr]


@pytest.mark.parametrize("variant", ["iarn_plain", "lstm_backbone"])
def test_scores_are_the_same_block_by_block(world: World, monkeypatch: pytest.MonkeyPatch, variant: str) -> None:
    model, item_BK = shaken(variant, world), everything(world)
    batch = rows(world, model.needs)
    whole_BK = model.score(batch, item_BK)
    monkeypatch.setattr(module, "ROWS", 5)
    monkeypatch.setattr(module, "PAIRS", 3)
    torch.testing.assert_close(model.score(batch, item_BK), whole_BK)


# ---- what a pair may see, ratings changed in place


def seen(model: IARN, events: Interactions, user: int, position: int, item: int) -> float:
    batch = events.before(torch.tensor([user]), torch.tensor([position]), model.needs)
    return model.score(batch, torch.tensor([[item]])).item()


@pytest.mark.parametrize(
    ("place", "matters"),
    [(0, True), (1, True), (2, False), (3, True), (4, False), (5, True)],
    ids=["own first", "own second", "the pair itself", "item's first", "item's later", "item's second"],
)
def test_a_rating_is_seen_only_before_the_pair(world: World, place: int, matters: bool) -> None:
    model = shaken("iarn_plain", world)
    events = few(STORY)
    assert events.rating_E is not None
    rating_E = events.rating_E.clone()
    rating_E[place] = 0.5 if rating_E[place] > 3 else 4.5
    before, after = (seen(model, e, 1, 2, 3) for e in (events, replace(events, rating_E=rating_E)))
    assert (before != after) == matters


def test_what_happened_in_the_same_second_is_not_before(world: World) -> None:
    tied = [(1, 1, 4.0, 1), (1, 2, 2.0, 9), (1, 3, 5.0, 9), (2, 3, 3.0, 2), (2, 3, 1.0, 20), (3, 3, 5.0, 9)]
    model, events = shaken("iarn_plain", world), few(tied)
    batch = events.before(torch.tensor([1]), torch.tensor([2]), model.needs)
    assert batch.item_BL.tolist() == [[1]]
    _, its, _, _ = model.explain(batch, torch.tensor([3]))
    assert its.part is not None
    assert its.part[its.valid].tolist() == [2]


def test_the_official_leak_is_a_setting(world: World) -> None:
    model = shaken("iarn_plain", world)
    place_B = torch.tensor([2])
    for leak, history, by in ((False, [[1, 2]], [2, 3]), (True, [[1, 2, 3]], [2, 3, 1, 2])):
        readings = model.config.readings.model_copy(update={"leak": leak})
        model.config = model.config.model_copy(update={"readings": readings})
        batch = few(STORY).pairs(place_B, model.needs)
        assert batch.item_BL.tolist() == history
        its = model.explain(batch, torch.tensor([3]))[1]
        assert its.part is not None
        assert its.part[its.valid].tolist() == by


def test_item_histories_are_of_training_events() -> None:
    frame = pl.DataFrame({"user": [1, 2, 3], "item": [1, 1, 1], "part": ["train", "valid", "test"]}).with_columns(
        time=pl.from_epoch(pl.Series([DAY, 2 * DAY, 3 * DAY])).cast(pl.Datetime("us", "UTC"))
    )
    assert Interactions.of(event_columns(frame), 1).audience.user_E.tolist() == [1]


def test_what_is_missing_is_refused() -> None:
    timeless = few(STORY)
    needs = models.configure(section("iarn", "iarn_plain")).needs
    with pytest.raises(Lacking, match="these events have none"):
        replace(timeless, time_E=None).pairs(torch.tensor([0]), needs)
    with pytest.raises(Lacking, match="reads ratings, and these events have none"):
        replace(timeless, rating_E=None).pairs(torch.tensor([0]), needs)
    choice = section("iarn", "lstm_backbone")
    with pytest.raises(ValueError, match="an LSTM has gates of its own"):
        models.configure(choice.model_copy(update={"settings": choice.settings | {"gate": "own"}}))
