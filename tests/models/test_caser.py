"""Caser: its filters by hand, what is older than the window, the person, several targets, where filters fired."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import models
from engine.tables.settings import Choice
from engine.training.batch import Batch
from models.caser import Caser
from tests.models.world import World, built, rows, section


def caser(variant: str, world: World, **changes: object) -> Caser:
    torch.manual_seed(1)
    settings = section("caser", variant).settings | changes
    model = models.build(Choice(name="caser", settings=settings), world.catalog, world.users)
    assert isinstance(model, Caser)
    return model.eval()


def row(items: list[int], user: int = 1, **fields: Tensor) -> Batch:
    item_BL = torch.tensor([items])
    return Batch(torch.tensor([user]), item_BL, torch.tensor([len(items)]), item_BL.clone()).but(**fields)


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("items", [[9, 3, 5, 2], [5, 2], [7]])
def test_the_score_by_hand(items: list[int], world: World) -> None:
    """Filter by filter over the last three items, zeros before the first."""
    model = caser("bce", world)
    window_LD = torch.zeros(3, 16)
    last = items[-3:]
    window_LD[3 - len(last) :] = model.embedding.weight[last]
    assert model.ages is not None
    parts = [model.ages.weight[n, 0] @ window_LD + model.ages.bias[n] for n in range(2)]  # type: ignore[index]
    for height, filters in enumerate(model.rows, 1):
        for n in range(4):
            over = [
                (filters.weight[n].T * window_LD[at : at + height]).sum() + filters.bias[n]  # type: ignore[index, union-attr, operator]
                for at in range(3 - height + 1)
            ]
            parts.append(F.relu(torch.stack(over)).max()[None])
    z_D = F.relu(model.dense.weight @ torch.cat(parts) + model.dense.bias)
    assert model.person_UD is not None
    expected_N = model.output_NE @ torch.cat([z_D, model.person_UD[1]]) + model.bias_N
    close(model.score_all(row(items))[0], expected_N)


def test_items_older_than_the_window_are_nothing_to_it(world: World) -> None:
    model = caser("bce", world)
    close(model.score_all(row([1, 4, 9, 3, 5])), model.score_all(row([8, 7, 9, 3, 5])))
    assert not torch.allclose(model.score_all(row([9, 3, 5])), model.score_all(row([8, 3, 5])))
    assert not torch.allclose(model.score_all(row([9, 3, 5])), model.score_all(row([3, 9, 5])))


def test_the_person_is_in_the_score_or_left_out(world: World) -> None:
    for variant, same in (("bce", False), ("no_person", True)):
        model = caser(variant, world)
        scores = [model.score_all(row([9, 3, 5], user)) for user in (1, 2)]
        assert torch.equal(*scores) == same


def test_without_vertical_weights_it_is_the_horizontal_one(world: World) -> None:
    model, alone = caser("chunked", world), caser("horizontal", world)
    state = {name: value for name, value in model.state_dict().items() if not name.startswith("ages")}
    state["dense.weight"] = state["dense.weight"][:, 32:]
    alone.load_state_dict(state)
    batch = rows(world, model.needs)
    assert not torch.allclose(model.score_all(batch), alone.score_all(batch), atol=1e-3)
    with torch.no_grad():
        model.dense.weight[:, :32] = 0
    close(model.score_all(batch), alone.score_all(batch))


def test_several_targets_are_each_next_ones_as_far_as_they_go(world: World) -> None:
    """At three events 4, 6, 8 with the next ones 6, 8, 1 and two learnt at each: five targets."""
    model = caser("bce", world, targets=2, negatives=1)
    negative_BLK = torch.tensor([[[2], [3], [5]]])
    batch = row([4, 6, 8], target_BL=torch.tensor([[6, 8, 1]]), negative_BLK=negative_BLK)
    total = torch.zeros(())
    for place, own in ((0, 6), (0, 8), (1, 8), (1, 1), (2, 1)):
        asked_K = torch.tensor([[own, int(negative_BLK[0, place, 0])]])
        score_K = model.score(row([4, 6, 8][: place + 1]), asked_K)[0]
        total = total + F.softplus(-score_K[0]) + F.softplus(score_K[1])
    close(model.loss(batch), total / 5)
    one = caser("bce", world, negatives=1)
    assert not torch.isclose(one.loss(batch), model.loss(batch))


def test_reasons_lie_where_the_filters_fired(world: World) -> None:
    """Of three filters the first fires on the last item alone, the second on the first two of the window."""
    model = caser("bce", world, horizontal=1)
    with torch.no_grad():
        for filters in model.rows:
            filters.weight.zero_()  # type: ignore[union-attr, operator]
            filters.bias.fill_(-9.0)  # type: ignore[union-attr, operator]
        model.embedding.weight[5] = 1.0
        model.embedding.weight[3] = -1.0
        model.embedding.weight[9] = 0.5
        model.rows[0].weight.fill_(1.0)  # type: ignore[union-attr, operator]
        model.rows[0].bias.zero_()  # type: ignore[union-attr, operator]
        model.rows[1].weight[:, :, 0] = 1.0  # type: ignore[union-attr, operator, index]
        model.rows[1].weight[:, :, 1] = -1.0  # type: ignore[union-attr, operator, index]
        model.rows[1].bias.zero_()  # type: ignore[union-attr, operator]
    (reason,) = model.explain(row([7, 9, 3, 5]), torch.tensor([1]))
    assert reason.valid.tolist() == [[False, True, True, True]]
    first, second = 16.0, 16 * (0.5 + 1.0)  # of item 5; of 9 before 3
    close(reason.value[0], torch.tensor([0.0, second / 2, second / 2, first]) / (first + second))


def test_where_nothing_fired_reasons_are_even(world: World) -> None:
    model = caser("bce", world)
    with torch.no_grad():
        for filters in model.rows:
            filters.bias.fill_(-99.0)  # type: ignore[union-attr, operator]
    (reason,) = model.explain(row([7, 9, 3, 5]), torch.tensor([1]))
    close(reason.value[0], torch.tensor([0.0, 1 / 3, 1 / 3, 1 / 3]))


def test_what_reads_nothing_is_refused(world: World) -> None:
    with pytest.raises(ValueError, match=r"models\.caser: horizontal and vertical are both 0"):
        caser("bce", world, horizontal=0, vertical=0)
    assert isinstance(built("caser", "vertical", world), Caser)
