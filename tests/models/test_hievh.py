"""HieVH, the reconstruction: chains, kin and their slopes by hand, an item that nobody rated, reasons that sum up."""

from typing import Any

import numpy as np
import pytest
import torch

import models
from engine.tables.settings import Choice
from engine.training.catalog import Catalog
from engine.training.categories import Categories
from models.blocks.kinship import Chains, drawn_together, parents, relations
from models.hievh import HieVH
from tests.models.test_iarn import few
from tests.models.world import World

# numbered by name: cat 1, cow 2, dog 3, farm 4, pets 5, root 6, tools 7
PATHS = [["root", "pets", "cat"], ["root", "pets", "dog"], ["tools"], ["root", "farm", "cow"], ["root", "farm", "cat"]]
ITEMS = [1, 1, 2, 3, 3]  # item 4 has none
TREE = Categories.of(np.array(ITEMS), PATHS, 4)


def solved(events: Any, **settings: Any) -> HieVH:
    torch.manual_seed(1)
    model = models.build(Choice(name="hievh", settings=settings), Catalog(4, categories=TREE), 3)
    assert isinstance(model, HieVH)
    model.solve(events)
    return model


def test_chains_begin_at_the_leaf_and_end_below_the_root() -> None:
    chains = Chains.of(TREE)
    assert chains.offset_N.tolist() == [0, 0, 4, 5, 9, 9]
    assert chains.category_X.tolist() == [4, 0, 4, 2, 6, 3, 1, 3, 0]  # a root that is a leaf stays
    assert chains.level_X.tolist() == [1, 0, 1, 0, 0, 1, 0, 1, 0]
    assert chains.share_X.tolist() == [0.5, 0.5, 0.5, 0.5, 1, 0.5, 0.5, 0.5, 0.5]


def test_a_parent_is_the_one_most_often_before() -> None:
    # cat stands below pets and below farm once each: the lower number, farm
    assert parents(TREE).tolist() == [3, 3, 4, 5, 5, -1, -1]
    more = Categories.of(np.array([1, 2, 3]), [["a", "x"], ["b", "x"], ["b", "x"]], 3)
    assert parents(more).tolist() == [-1, -1, 1]


def test_kin_and_their_lift_by_hand() -> None:
    """Roots a, b, c are siblings, x below a and y below b cousins, z below a is x's sibling."""
    tree = Categories.of(np.array([1, 2, 3, 4, 5]), [["a", "x"], ["a", "z"], ["b", "y"], ["c"], ["c"]], 5)
    histories = [[1, 3]] * 8 + [[2]] * 8 + [[4]] * 2
    one_P, other_P, lift_P = relations(tree, World(histories, 5).interactions())
    found = {
        (tree.names[one], tree.names[other]): lift
        for one, other, lift in zip(one_P.tolist(), other_P.tolist(), lift_P.tolist(), strict=True)
    }
    # a: 16 people, b, x, y and z: 8 each, c: 2, of 18; c and another are expected in less than 5
    both = {("a", "b"): (8, 16 * 8 / 18), ("x", "y"): (8, 64 / 18), ("x", "z"): (0, 64 / 18), ("y", "z"): (0, 64 / 18)}
    expected = {
        pair: np.log((both_ + 1) / (chance + 1)) for pair, (both_, chance) in both.items() if both_ + chance >= 5
    }
    assert found == pytest.approx(expected)
    assert found["x", "y"] > 0


def test_the_slope_of_relations_is_that_of_their_sum() -> None:
    generator = torch.Generator().manual_seed(1)
    vector_CD = torch.randn(5, 3, generator=generator, dtype=torch.float64).requires_grad_()
    one_P, other_P = torch.triu_indices(5, 5, 1)
    lift_P = torch.randn(len(one_P), generator=generator, dtype=torch.float64)
    total = vector_CD.new_zeros(())
    near = 0
    for one, other, lift in zip(one_P, other_P, lift_P, strict=True):
        apart = ((vector_CD[one] - vector_CD[other]) ** 2).sum()
        total = total + (lift * apart if lift > 0 else -lift * (5 - apart).clamp(min=0))
        near += int(lift < 0 and apart < 5)
    assert 0 < near < int((lift_P < 0).sum())
    (slope,) = torch.autograd.grad(total, vector_CD)
    torch.testing.assert_close(drawn_together(vector_CD.detach(), (one_P, other_P, lift_P), 5.0), slope)


def test_one_rating_is_one_step_down_the_slope() -> None:
    events = few([(1, 1, 4.0, 1)])
    model = solved(events, dim=2, epochs=1, penalty=0.0, rate=0.1, alpha=0.0)
    leaves = [
        t.clone().requires_grad_() for t in (model.first_XD[1], model.first_XD[5], model.first_CD, torch.zeros(3))
    ]
    p, q, f, level = leaves
    weight = level.softmax(0)
    whole = q + weight[1] * f[4] + weight[0] * (f[0] + f[2]) / 2
    slopes = torch.autograd.grad((p @ whole) ** 2 / 2, leaves)  # the mean is 4
    moved = [leaf.detach() - 0.1 * slope for leaf, slope in zip(leaves, slopes, strict=True)]
    torch.testing.assert_close(model.user_UE[1, :-1], moved[0])
    torch.testing.assert_close(model.item_NE[1, :-1], moved[1])
    torch.testing.assert_close(model.category_CD, moved[2])
    torch.testing.assert_close(model.level_L, moved[3])


def test_an_item_without_a_rating_has_its_categories() -> None:
    events = few([(1, 1, 4.0, 1), (2, 3, 2.0, 1), (3, 1, 5.0, 1)])
    model = solved(events, dim=3, epochs=9, penalty=0.02)
    batch = events.pairs(torch.tensor([0, 0, 0]), model.needs)
    weight_L = model.level_L.softmax(0)
    of_tools = model.user_UE[1, :-1] @ (weight_L[0] * model.category_CD[6])
    of_none = model.mean + model.user_UE[1, -1]
    found = model.rate(batch, torch.tensor([2, 4, 1]))
    assert found[0].item() == pytest.approx(float(of_none + of_tools))
    assert found[1].item() == pytest.approx(float(of_none))
    (reason,) = model.explain(batch, torch.tensor([2, 4, 1]))
    assert reason.part is not None
    assert reason.part.tolist() == [[7, 0, 0, 0], [0, 0, 0, 0], [5, 1, 5, 3]]
    rest = found - of_none - torch.stack([torch.zeros(4), torch.zeros(4), model.item_NE[1]])[:, -1]
    own = torch.stack([torch.zeros(()), torch.zeros(()), model.user_UE[1, :-1] @ model.item_NE[1, :-1]])
    torch.testing.assert_close(reason.value.sum(1) + own, rest)


def test_relations_draw_kin_together_and_never_overshoot() -> None:
    events = few([(user, item, 3.0 + item, 1) for user in (1, 2, 3) for item in (1, 3)])
    apart = []
    for alpha in (0.0, 1.0, 1e4):
        model = solved(events, dim=3, epochs=3, penalty=0.0, alpha=alpha)
        related = (torch.tensor([0]), torch.tensor([1]), torch.tensor([1.0]))
        category_CD = model.first_CD.clone()
        model._relate(category_CD, related)
        apart.append(float((category_CD[0] - category_CD[1]).norm()))
    assert apart[0] > apart[1] > apart[2]
    assert apart[2] < 1e-3
