"""DHCN: its convolution and weights on numbers, what is in its graph, and what it reduces to."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import models
from engine.tables.settings import Choice
from engine.training.batch import Batch
from engine.training.needs import Needs
from models.dhcn import DHCN, alike
from tests.models.variants import VARIANTS
from tests.models.world import World, built, rows, section


def dhcn(world: World, variant: str = "dhcn", **more: object) -> DHCN:
    torch.manual_seed(1)
    choice = Choice(name="dhcn", settings=section("dhcn", variant).settings | more)
    model = models.build(choice, world.catalog, world.users).eval()
    assert isinstance(model, DHCN)
    model.prepare(world.interactions(1))
    return model


def row(items: list[int], target: list[int], **changes: Tensor) -> Batch:
    item_BL, one = torch.tensor([items]), torch.tensor([1])
    batch = Batch(one, item_BL, torch.tensor([len(items)]), item_BL, target_BL=torch.tensor([target]))
    return batch.but(**changes)


def matrix(world: World) -> Tensor:
    """D^-1 H B^-1 H^T of the training histories, items from 1."""
    events = world.interactions(1)
    h_NU = torch.zeros(world.items + 1, world.users + 1)
    h_NU[events.item_E, events.user_E] = 1
    return (h_NU / h_NU.sum(1, keepdim=True).clamp(min=1)) @ (h_NU / h_NU.sum(0).clamp(min=1)).T


def test_a_convolution_by_hand() -> None:
    """People chose {1, 2}, {2, 3} and nothing else in training; 2 is in both edges; 4 is in none."""
    world = World([[1, 2, 4], [2, 3, 4]], 4)
    model = dhcn(world, layers=1, dim=1)
    with torch.no_grad():
        model.embedding.weight.copy_(torch.tensor([[0.0], [1.0], [3.0], [7.0], [5.0]]))
    edges = [(1 + 3) / 2, (3 + 7) / 2]
    expected = [0.0, (1 + edges[0]) / 2, (3 + sum(edges) / 2) / 2, (7 + edges[1]) / 2, 5 / 2]
    assert model.keys()[:, 0].tolist() == pytest.approx(expected)


def test_layers_are_powers_of_the_dense_matrix(world: World) -> None:
    """Of histories that are one edge each."""
    model = dhcn(world, layers=3, length=50)
    e_ND, a_NN = model.embedding.weight, matrix(world)
    expected = (e_ND + a_NN @ e_ND + a_NN @ a_NN @ e_ND + a_NN @ a_NN @ a_NN @ e_ND) / 4
    torch.testing.assert_close(model.keys(), expected)
    torch.testing.assert_close(model.keys(torch.tensor([3, 1])), expected[[3, 1]])


def test_vectors_that_are_all_alike_stay(world: World) -> None:
    model = dhcn(world, layers=3)
    with torch.no_grad():
        model.embedding.weight[1:] = torch.arange(16.0)
    in_edges = model.graph.degrees > 0
    assert int(in_edges.sum()) > 10
    torch.testing.assert_close(model.keys()[in_edges], model.embedding.weight[in_edges])


@pytest.mark.parametrize("length", [4, 12])
def test_an_edge_is_a_stretch_of_a_history_and_what_follows_training_is_in_none(length: int, world: World) -> None:
    """The last events together, those before them, and so on."""
    model = dhcn(world, length=length)
    events, expected = world.interactions(1), []
    for user in range(1, world.users + 1):
        item_L = events.item_E[events.user_E == user].tolist()
        stops = range(len(item_L), 0, -length)
        expected += [sorted(set(item_L[max(stop - length, 0) : stop])) for stop in stops]
    border = model.graph.set_offset.tolist()
    found = [model.graph.thing_Z[a:b].tolist() for a, b in pairwise(border)]
    assert found == expected
    assert (max(map(len, found)) > 4) == (length > 4)
    before = model.state_dict()
    model.prepare(world.interactions())
    assert any(not torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_without_layers_the_graph_is_inert(world: World) -> None:
    model, other = dhcn(world, layers=0), built("dhcn", "no_layers", world).eval()
    assert isinstance(other, DHCN)
    assert len(other.graph.thing_Z) == 0 < len(model.graph.thing_Z)
    batch = rows(world, model.needs)
    assert torch.equal(model.score_all(batch), other.score_all(batch))
    assert torch.equal(model.keys(), model.embedding.weight)


def test_the_score_is_the_equations_event_by_event(world: World) -> None:
    model = dhcn(world, layers=1)
    assert model.place is not None
    history, asked = [3, 5, 4, 9], 7
    x_ND = model.keys()
    x_LD = x_ND[history]
    mean = x_LD.mean(0)
    w1 = torch.cat([model.place.weight, model.own.weight], 1)
    theta = torch.zeros(16)
    for j, x in enumerate(x_LD):
        p = model.slot_LD[len(history) - 1 - j]  # 0 is the last event's
        met = torch.tanh(w1 @ torch.cat([p, x]) + model.own.bias)
        gate = torch.sigmoid(model.met.weight @ met + model.met.bias + model.mean.weight @ mean)
        theta = theta + (model.out.weight[0] @ gate) * x
    found = model.score(row(history, [0] * 4), torch.tensor([[asked]]))
    torch.testing.assert_close(found[0, 0], theta @ x_ND[asked])


def test_one_pass_over_a_row_is_the_mean_of_its_prefixes(world: World) -> None:
    model = dhcn(world, "full", contrast=0.0)
    items, target = [3, 5, 2, 9], [5, 2, 9, 1]
    prefixes = [model.loss(row(items[:n], [0] * (n - 1) + [target[n - 1]])) for n in range(1, 5)]
    torch.testing.assert_close(model.loss(row(items, target)), torch.stack(prefixes).mean())
    state_D = model.states(row(items, target), model.keys())[0, -1]
    torch.testing.assert_close(model.query(row(items, target))[0], state_D)


def test_the_order_within_a_history_matters_by_positions_alone(world: World) -> None:
    for variant, same in (("no_positions", True), ("dhcn", False)):
        model = dhcn(world, variant)
        scores = [model.score_all(row(items, [0] * 4)) for items in ([3, 5, 4, 9], [9, 4, 3, 5])]
        assert torch.allclose(*scores, atol=1e-6) == same


def test_rows_are_alike_by_the_items_they_share() -> None:
    item_BL = torch.tensor([[1, 2, 2, 0], [2, 3, 4, 0], [5, 0, 0, 0], [0, 0, 0, 0]])
    expected = torch.eye(4)
    expected[0, 1] = expected[1, 0] = 1 / 4
    assert alike(item_BL).tolist() == expected.tolist()


def test_the_graph_of_rows_by_hand(world: World) -> None:
    """Two rows that share one of three items: shares 3/4 and 1/4 after D^-1 of [[1, 1/3], [1/3, 1]]."""
    model = dhcn(world, "s2", layers=1)
    item_BL = torch.tensor([[3, 5], [5, 9]])
    batch = Batch(torch.tensor([1, 2]), item_BL, torch.tensor([2, 2]), item_BL)
    e_ND = model.embedding.weight
    one, other = (e_ND[3] + e_ND[5]) / 2, (e_ND[5] + e_ND[9]) / 2
    expected = torch.stack([(one + 0.75 * one + 0.25 * other) / 2, (other + 0.25 * one + 0.75 * other) / 2])
    torch.testing.assert_close(model._line(batch), expected)


def test_the_contrast_by_hand(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    model, plain = dhcn(world, "s2", contrast=0.3), dhcn(world, "dhcn")
    batch = rows(world, model.needs, targets=True)
    monkeypatch.setattr(DHCN, "_order", lambda self, count: torch.arange(count).roll(1))
    theta, line = batch.last(model.states(batch, model.keys())).tolist(), model._line(batch).tolist()
    total = 0.0
    for b in range(world.users):
        own = sum(t * m for t, m in zip(theta[b], line[b], strict=True))
        false = sum(theta[b - 1][d - 1] * line[b][d] for d in range(16))
        total += math.log1p(math.exp(-own)) + math.log1p(math.exp(false))
    expected = plain.loss(batch).item() + 0.3 * total / world.users
    assert model.loss(batch).item() == pytest.approx(expected, rel=1e-5)


def test_the_contrast_does_not_hang_on_how_many_rows_there_are(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are all the same cost what one costs; the authors' sum makes them cost their number."""
    model = dhcn(world, "s2", contrast=1.0)
    monkeypatch.setattr(DHCN, "_order", lambda self, count: torch.arange(count).roll(1))
    batch = row([3, 5, 4], [5, 4, 9])
    many = Batch(*(t.repeat(7, *[1] * (t.ndim - 1)) for t in (batch.user_B, batch.item_BL, batch.length_B)), batch.event_BL.repeat(7, 1), target_BL=batch.target_BL.repeat(7, 1))  # type: ignore[union-attr]  # fmt: skip  # noqa: E501
    torch.testing.assert_close(model.loss(many), model.loss(batch))


def test_without_contrast_s2_is_dhcn(world: World) -> None:
    model, plain = dhcn(world, "s2", contrast=0.0), dhcn(world, "dhcn")
    batch = rows(world, model.needs, targets=True)
    assert torch.equal(model.loss(batch), plain.loss(batch))
    assert not torch.equal(dhcn(world, "s2").loss(batch), plain.loss(batch))
    assert torch.equal(dhcn(world, "s2").score_all(batch), plain.score_all(batch))


@pytest.mark.parametrize("detached", [True, False])
def test_the_graph_of_rows_teaches_and_learns_only_where_it_may(detached: bool, world: World) -> None:
    model = dhcn(world, "s2", detached=detached)
    line_BD = model._line(rows(world, model.needs, targets=True))
    assert line_BD.requires_grad == (not detached)


def test_parts_of_the_history_sum_to_the_score(world: World) -> None:
    for variant in VARIANTS["dhcn"]:
        model = dhcn(world, variant)
        batch, item_B = rows(world, model.needs), torch.arange(1, world.users + 1)
        (reason,) = model.explain(batch, item_B)
        torch.testing.assert_close(reason.value.sum(1), model.score(batch, item_B[:, None])[:, 0])


def test_a_batch_without_targets_has_no_loss(world: World) -> None:
    model = dhcn(world)
    with pytest.raises(ValueError, match="without targets has no loss"):
        model.loss(rows(world, model.needs))


def test_needs_follow_the_objective() -> None:
    needs = {v: models.configure(section("dhcn", v)).needs for v in ("s2", "full", "sampled")}
    assert needs["s2"] == needs["full"] == Needs(length=8)
    assert needs["sampled"] == Needs(length=8, shared=6)


def test_softmax_is_of_theta(world: World) -> None:
    model = dhcn(world, "full", contrast=0.0)
    batch = row([3, 5], [0, 9])
    expected = F.cross_entropy(model.score_all(batch)[:, 1:], torch.tensor([8]))
    torch.testing.assert_close(model.loss(batch), expected)
