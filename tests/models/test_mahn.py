"""MAHN: its equations on numbers, what its variants reduce to, and its score in parts."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

import models
from engine.training.batch import Batch
from engine.training.needs import Needs
from models.mahn import MAHN, Modulation
from tests.models.variants import VARIANTS
from tests.models.world import World, built, rows, section

VIEWED = [v for v, changes in VARIANTS["mahn"].items() if changes.get("views") != []]


def mahn(world: World, variant: str = "cat_cat") -> MAHN:
    model = built("mahn", variant, world).eval()
    assert isinstance(model, MAHN)
    return model


def row(items: list[int], target: list[int], **changes: Tensor) -> Batch:
    item_BL, one = torch.tensor([items]), torch.tensor([1])
    batch = Batch(one, item_BL, torch.tensor([len(items)]), item_BL, target_BL=torch.tensor([target]))
    return batch.but(**changes)


def lstm(layer: nn.LSTM, x_LX: Tensor) -> Tensor:
    """Eq. 2 as it is printed, a step at a time."""
    w_ih, w_hh = dict(layer.named_parameters())["weight_ih_l0"], dict(layer.named_parameters())["weight_hh_l0"]
    bias = layer.bias_ih_l0 + layer.bias_hh_l0  # type: ignore[operator]
    h, c, found = torch.zeros(layer.hidden_size), torch.zeros(layer.hidden_size), []
    for x in x_LX:
        i, f, candidate, o = (w_ih @ x + w_hh @ h + bias).chunk(4)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(candidate)
        h = torch.sigmoid(o) * torch.tanh(c)
        found.append(h)
    return torch.stack(found)


def test_the_modulation_by_hand() -> None:
    gate = Modulation(2)
    with torch.no_grad():
        gate.history.weight.copy_(torch.tensor([[1.0, 2.0], [0.0, -1.0]]))
        gate.history.bias.copy_(torch.tensor([0.5, 0.25]))
        gate.view.weight.copy_(torch.tensor([[2.0, 0.0], [1.0, 1.0]]))
        gate.view.bias.copy_(torch.tensor([-1.0, 3.0]))
    alpha_D = gate(torch.tensor([0.5, -0.25]), torch.tensor([1.0, 2.0]))
    by_history, by_view = [0.5 * 1 - 0.25 * 2 + 0.5, 0.25 + 0.25], [2.0 - 1.0, 1.0 + 2.0 + 3.0]
    expected = [1 / (1 + math.exp(-h * v)) for h, v in zip(by_history, by_view, strict=True)]
    assert by_history == [0.5, 0.5]
    assert alpha_D.tolist() == pytest.approx(expected)


def test_the_score_is_equations_3_to_8_step_by_step(world: World) -> None:
    for variant in ("cat_cat", "add_add", "add_cat", "cat_add"):
        model = mahn(world, variant)
        history, asked = torch.tensor([3, 5, 4, 9]), 7

        def projected(item: Tensor, model: MAHN = model) -> tuple[Tensor, Tensor, Tensor]:
            v, t = (
                view.standard(world.catalog.vector(name)[item]) @ view.dense.weight.T  # type: ignore[operator,union-attr]
                for view, name in zip(model.items.views, ("image", "text"), strict=True)
            )
            return v, t, model.items.row.weight[item]

        def join(parts: list[Tensor], how: str) -> Tensor:
            return torch.cat(parts, -1) if how == "concatenation" else parts[0] + parts[1] + parts[2]

        v, t, e = projected(history)
        h = lstm(model.first, join([v, t, e], model.config.first))
        by, to = model.gates
        v = torch.sigmoid((h @ by.history.weight.T + by.history.bias) * by.view(v)) * v  # type: ignore[operator,union-attr]
        t = torch.sigmoid((h @ to.history.weight.T + to.history.bias) * to.view(t)) * t  # type: ignore[operator,union-attr]
        assert model.second is not None
        hh = lstm(model.second, join([v, t, h], model.config.second))
        expected = hh[-1] @ torch.cat(projected(torch.tensor(asked)))
        found = model.score(row(history.tolist(), [0] * 4), torch.tensor([[asked]]))[0, 0]
        torch.testing.assert_close(found, expected)


def test_without_views_it_is_torchs_two_layer_lstm(world: World) -> None:
    model = mahn(world, "no_views")
    plain = nn.LSTM(8, 8, num_layers=2, batch_first=True)
    assert model.second is not None
    for layer, part in ((0, model.first), (1, model.second)):
        for name, value in part.named_parameters():
            dict(plain.named_parameters())[name.replace("l0", f"l{layer}")].data.copy_(value)
    batch = rows(world, model.needs)
    torch.testing.assert_close(model.states(batch), plain(model.items.row(batch.item_BL))[0])


def test_with_open_gates_it_is_a_plain_two_layer_lstm(world: World) -> None:
    """The second layer reads the first's states beside the views themselves; wide open modulated gates are the same."""
    model, modulated = mahn(world, "open"), mahn(world)
    assert model.second is not None
    batch = rows(world, model.needs)
    image, text, own = (p[batch.item_BL] for p in model.items(None)[0])
    first_BLD = model.first(torch.cat([image, text, own], -1))[0]
    expected = model.second(torch.cat([image, text, first_BLD], -1))[0]
    torch.testing.assert_close(model.states(batch), expected)
    modulated.load_state_dict(model.state_dict(), strict=False)
    assert not torch.allclose(modulated.states(batch), expected, atol=1e-3)
    with torch.no_grad():
        for gate in modulated.gates:
            for layer in (gate.history, gate.view):  # type: ignore[union-attr]
                layer.weight.zero_()  # type: ignore[union-attr,operator]
                layer.bias.fill_(10.0)  # type: ignore[union-attr,operator]
    torch.testing.assert_close(modulated.states(batch), expected)


def test_a_modulation_without_history_halves(world: World) -> None:
    model = mahn(world)
    with torch.no_grad():
        for gate in model.gates:
            gate.history.weight.zero_()  # type: ignore[union-attr,operator]
            gate.history.bias.zero_()  # type: ignore[union-attr,operator]
    gates = model.explain(rows(world, model.needs), torch.ones(world.users, dtype=torch.long))[1]
    assert gates.kind == "gate"
    assert gates.value[gates.valid].unique().tolist() == [0.5]


@pytest.mark.parametrize(
    ("variant", "blind"),
    [("no_image", ["image"]), ("no_text", ["text"]), ("no_views", ["image", "text"]), ("cat_cat", [])],
)
def test_a_variant_does_not_see_the_view_it_is_without(variant: str, blind: list[str]) -> None:
    world = World([[3, 5, 4, 9], [1, 6, 7]], 9)
    model = mahn(world, variant)
    before = model.score_all(rows(world, model.needs))
    for view in ("image", "text"):
        given = world.catalog.vector(view)[3].clone()
        world.catalog.vector(view)[3] += 1.0
        same = torch.equal(model.score_all(rows(world, model.needs)), before)
        assert same == (view in blind), view
        world.catalog.vector(view)[3] = given
    assert model.needs.views == {"image", "text"} - set(blind)


def test_the_reconstruction_by_hand(world: World) -> None:
    """Items 3 and 9 are in the history, 5 was drawn; item 2 has no views, and a repeated item counts once.

    What is drawn where there is no target (6) counts as little as padding does.
    """
    model = mahn(world)
    drawn_BLK = torch.full((1, 5, 3), 5)
    drawn_BLK[:, 4] = 6
    batch = row([3, 9, 2, 3, 0], [9, 2, 3, 4, 0], negative_BLK=drawn_BLK)
    expected = 0.0
    image, text, _ = model.items(None)[0]
    for view, name in zip(model.items.views, ("image", "text"), strict=True):
        z_NC = view.standard(world.catalog.vector(name))  # type: ignore[operator]
        misses = [z_NC[i] - view.dense.weight.T @ (image[i] + text[i]) for i in (3, 9, 5)]  # type: ignore[operator,union-attr]
        expected += (torch.stack(misses) ** 2).mean().item()
    assert model._reconstruction(batch).item() == pytest.approx(expected, rel=1e-5)
    alone = model.loss(batch).item() - model.config.reconstruction * expected
    own, other = (model.states(batch)[0, :4] * model.keys()[torch.tensor([[9, 2, 3, 4], [5] * 4])]).sum(-1)
    assert alone == pytest.approx(F.softplus(other - own).mean().item(), rel=1e-4)


def test_the_reconstruction_moves_the_weights_as_encoder_and_as_decoder(world: World) -> None:
    model = mahn(world)
    view, item_U = model.items.views[0], torch.tensor([3, 5])
    weight = view.dense.weight

    def gradient(code_UD: Tensor, decoder: bool) -> Tensor:
        missed = (code_UD @ (weight if decoder else weight.detach()) - view.standard(view.table_NC[item_U])) ** 2  # type: ignore[operator,index]
        return torch.autograd.grad(missed.mean(), weight)[0]  # type: ignore[arg-type]

    image_UD = view(item_U)[0]
    both = torch.autograd.grad(view.missed(item_U, view(item_U)[0]), weight)[0]  # type: ignore[operator,arg-type]
    encoded, decoded = gradient(image_UD, False), gradient(image_UD.detach(), True)
    assert encoded.abs().max() > 1e-3
    assert decoded.abs().max() > 1e-3
    torch.testing.assert_close(both, encoded + decoded)


@pytest.mark.parametrize("variant", VARIANTS["mahn"])
def test_the_parts_sum_to_the_score(variant: str, world: World) -> None:
    model = mahn(world, variant)
    batch, item_B = rows(world, model.needs), torch.arange(1, world.users + 1)
    whole, *gates = model.explain(batch, item_B)
    assert (whole.over, whole.kind, whole.faithful) == ("view", "signed", True)
    torch.testing.assert_close(whole.value.sum(1), model.score(batch, item_B[:, None])[:, 0])
    seen = [view in model.needs.views for view in ("image", "text")]
    assert whole.valid[0].tolist() == [*seen, True]
    assert whole.valid[1].tolist() == [False, False, True]  # item 2 has no picture and no text
    assert (whole.value[0] != 0).tolist() == [*seen, True]
    assert bool(gates) == (any(seen) and variant not in ("open", "first_layer"))
    for gate in gates:
        assert gate.valid[batch.item_BL > 0].any(0).tolist() == [*seen, False]


def test_scored_with_the_first_layer_there_is_no_second(world: World) -> None:
    model = mahn(world, "first_layer")
    assert model.second is None
    assert len(model.gates) == 0
    batch = rows(world, model.needs)
    torch.testing.assert_close(model.states(batch), model.first(model.keys()[batch.item_BL])[0])


@pytest.mark.parametrize("variant", ["cat_cat", "add_add"])
def test_gradients_are_the_finite_differences(variant: str, world: World) -> None:
    """Through both layers and the gates between them, in double precision."""
    model = mahn(world, variant).double()
    batch = row([3, 5, 2, 9], [0, 0, 0, 0])
    names = [n for n, _ in model.named_parameters() if "items.row" not in n]
    values = [dict(model.named_parameters())[n].detach().requires_grad_() for n in names]

    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self) -> Tensor:
            return model.query(batch)

    def state(*given: Tensor) -> Any:
        return functional_call(Last(), {f"model.{n}": g for n, g in zip(names, given, strict=True)}, ())

    assert torch.autograd.gradcheck(state, tuple(values), fast_mode=True)


def test_needs_follow_the_settings() -> None:
    needs = {v: models.configure(section("mahn", v)).needs for v in VARIANTS["mahn"]}
    both = frozenset({"image", "text"})
    assert needs["cat_cat"] == Needs(length=8, negatives=3, views=both)  # type: ignore[arg-type]
    assert needs["chunked"] == needs["full"] == Needs(length=8, views=both)  # type: ignore[arg-type]
    assert needs["sampled"] == Needs(length=8, shared=6, views=both)  # type: ignore[arg-type]
    assert needs["no_views"] == Needs(length=8, negatives=3)
