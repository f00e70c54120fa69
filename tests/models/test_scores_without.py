"""Scores without a part of an item are those of the model whose tables hold something else in its place."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from engine.training.contract import Recommender, Solver
from tests.models.world import World, built, rows

ITEM = 1  # acted on more often than the mean item
Change = Callable[[Recommender, int], None]  # of a model, and of the part's number


def mean_picture(model, number: int) -> None:  # type: ignore[no-untyped-def]
    view = model.views[number - 1]
    view.table_NC[ITEM] = view.table_NC[view.present_N].mean(0)


def mean_vector(model, number: int) -> None:  # type: ignore[no-untyped-def]
    column = slice(4 * (number - 1), 4 * number) if len(model.config.views) > 1 else slice(0, 4)
    model.item_NE[ITEM, column] = model.item_NE[1:, column].mean(0)


def mean_share(model, number: int) -> None:  # type: ignore[no-untyped-def]
    model.theta_NT[ITEM, number - 1] = model.theta_NT[1:, number - 1].mean()


def mean_share_of_solved(model, number: int) -> None:  # type: ignore[no-untyped-def]
    theta_N = model.theta_NT[:, number - 1]
    model.item_NT[ITEM, number - 1] += theta_N[1:].mean() - theta_N[ITEM]


def no_category(model, number: int) -> None:  # type: ignore[no-untyped-def]
    model.category_CD[number - 1] = 0


def mean_count(model, number: int) -> None:  # type: ignore[no-untyped-def]
    model.count_N[ITEM] = model.count_N[1:].mean()


CASES: list[tuple[str, str, str, Change]] = [
    ("vbpr", "both", "view", mean_picture),
    ("vbpr", "amr", "view", mean_picture),
    ("jrl", "words", "view", mean_vector),
    ("jrl", "text", "view", mean_vector),
    ("ctr", "plain", "topic", mean_share_of_solved),
    ("ctr_bpr", "plain", "topic", mean_share),
    ("hievh", "tree", "category", no_category),
    ("popularity", "", "item_history", mean_count),
]


def ready(name: str, variant: str, world: World) -> Recommender:
    model = built(name, variant, world)
    if isinstance(model, Solver):
        model.solve(world.interactions())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return model.eval()


@torch.no_grad()
@pytest.mark.parametrize(("name", "variant", "over", "change"), CASES, ids=[f"{c[0]}-{c[1]}" for c in CASES])
def test_they_are_those_of_a_model_that_holds_something_else(
    name: str, variant: str, over: str, change: Change, world: World
) -> None:
    model = ready(name, variant, world)
    batch = rows(world, model.needs)
    item_B = torch.full_like(batch.user_B, ITEM)
    found = model.scores_without(batch, item_B)  # type: ignore[operator]
    assert found.over == over
    assert found.faithful == (name != "jrl"), "JRL's score does not read what its vectors were learnt of"
    assert found.valid.any()
    number_BP = torch.arange(1, found.value.shape[1] + 1).expand_as(found.value) if found.part is None else found.part
    whole_B1 = model.score(batch, item_B[:, None])
    for place in found.valid[0].nonzero()[:, 0].tolist():
        before = {id(value): value.clone() for value in tables(model)}
        change(model, int(number_BP[0, place]))
        expected_B = model.score(batch, item_B[:, None])[:, 0]
        torch.testing.assert_close(found.value[:, place], expected_B, rtol=1e-4, atol=1e-4)
        assert not torch.allclose(expected_B, whole_B1[:, 0], atol=1e-3)
        for value in tables(model):
            value.copy_(before[id(value)])


def tables(model: Recommender) -> list[Tensor]:
    """All that a test changes of a model, the catalogue's tables too."""
    views = [view.table_NC for view in getattr(model, "views", [])]
    return [*model.parameters(), *model.buffers(), *views]


@torch.no_grad()
def test_only_what_an_item_has_more_of_than_the_mean_one_is_valid(world: World) -> None:
    ctr, held = ready("ctr", "plain", world), ready("popularity", "", world)
    item_B = torch.arange(1, world.users + 1)
    batch = rows(world, ctr.needs)
    share_NT = world.catalog.vector("topics")
    expected_BT = share_NT[item_B] > share_NT[1:].mean(0)
    assert torch.equal(ctr.scores_without(batch, item_B).valid, expected_BT)  # type: ignore[operator]
    count_N = torch.bincount(world.interactions().item_E, minlength=world.items + 1)[1:].float()
    found = held.scores_without(batch, item_B).valid[:, 0]  # type: ignore[operator]
    assert torch.equal(found, (count_N > count_N.mean())[item_B - 1])
    assert found.any()
    assert not found.all()


@torch.no_grad()
def test_an_item_without_a_picture_is_not_scored_without_it(world: World) -> None:
    model = ready("vbpr", "both", world)
    batch = rows(world, model.needs)
    found = model.scores_without(batch, torch.full_like(batch.user_B, 2))  # type: ignore[operator]
    assert not found.valid.any()
    assert found.value.shape[1] == 3
