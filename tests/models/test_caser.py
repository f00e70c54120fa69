"""Caser: its filters by hand, what is older than the window, the person, several targets, where filters fired."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import models
from engine.tables.settings import Choice
from engine.training.batch import Batch
from engine.training.needs import Needs
from models.caser import Caser
from tests.models.doubled import Doubled
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


@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize("items", [[9, 3, 5, 2], [5, 2], [7]])
def test_the_score_by_hand(items: list[int], dropped: bool, world: World) -> None:
    """Filter by filter over the last three items, zeros before the first; what filters give is what is dropped."""
    model = caser("bce", world)
    with torch.no_grad():
        model.bias_N += torch.linspace(0, 1, len(model.bias_N))
    if dropped:
        model.dropout = Doubled()  # type: ignore[assignment]
    window_LD = torch.zeros(3, 16)
    last = items[-3:]
    window_LD[3 - len(last) :] = model.embedding.weight[last]
    assert model.ages is not None
    assert len(model.rows) == 3
    parts = [model.ages.weight[n, 0] @ window_LD + model.ages.bias[n] for n in range(2)]  # type: ignore[index]
    for height, filters in enumerate(model.rows, 1):
        for n in range(4):
            over = [
                (filters.weight[n].T * window_LD[at : at + height]).sum() + filters.bias[n]  # type: ignore[index, union-attr, operator]
                for at in range(3 - height + 1)
            ]
            parts.append(F.relu(torch.stack(over)).max()[None])
    z_D = F.relu(model.dense.weight @ ((1 + dropped) * torch.cat(parts)) + model.dense.bias)
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


def test_who_has_done_nothing_is_scored_by_the_person_and_the_bias(world: World) -> None:
    """Neither z nor, with `person: false`, anything but b2 is there."""
    empty = row([]).but(item_BL=torch.zeros(1, 4, dtype=torch.long), event_BL=torch.zeros(1, 4, dtype=torch.long))
    for variant in ("bce", "no_person"):
        model = caser(variant, world)
        with torch.no_grad():
            model.bias_N += torch.linspace(0, 1, len(model.bias_N))
        expected_N = model.bias_N
        if model.person_UD is not None:
            expected_N = model.output_NE[:, 16:] @ model.person_UD[1] + expected_N
        close(model.score_all(empty)[0], expected_N)


def test_how_wide_it_starts(world: World) -> None:
    """E and W2 by dim^-1/2, P by 1/dim, W by Glorot, b2 at 0, padding at 0."""
    model = caser("bce", world, dim=256)
    assert model.person_UD is not None
    for table in (model.embedding.weight[1:], model.output_NE):
        assert table.std().item() == pytest.approx(1 / 16, rel=0.05)
    assert model.person_UD.std().item() == pytest.approx(1 / 256, rel=0.05)
    bound = (6 / sum(model.dense.weight.shape)) ** 0.5
    assert 0.99 * bound < model.dense.weight.abs().max().item() <= bound
    assert model.bias_N.tolist() == [0.0] * 16
    assert not model.embedding.weight[0].any()


def test_needs_follow_the_settings() -> None:
    needs = {v: models.configure(section("caser", v)).needs for v in ("bpr", "full", "sampled")}
    assert needs == {"bpr": Needs(8, negatives=2), "full": Needs(8), "sampled": Needs(8, shared=6)}
    wide = Choice(name="caser", settings=section("caser", "full").settings | {"window": 11})
    assert models.configure(wide).needs == Needs(11)


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
    """Two learnt at each event: of 4, 6, 8 before 1 five targets, of 5, 3 before 9 three; each row has drawn items."""
    model = caser("bce", world, targets=2, negatives=1)
    item_BL = torch.tensor([[4, 6, 8], [5, 3, 0]])
    target_BL, drawn_BL = torch.tensor([[6, 8, 1], [3, 9, 0]]), torch.tensor([[2, 3, 5], [7, 11, 0]])
    batch = Batch(torch.tensor([1, 2]), item_BL, torch.tensor([3, 2]), item_BL, target_BL=target_BL)
    batch = batch.but(negative_BLK=drawn_BL[..., None])
    losses = []
    for user, items, asked in (
        (1, [4, 6, 8], ((0, 6), (0, 8), (1, 8), (1, 1), (2, 1))),
        (2, [5, 3], ((0, 3), (0, 9), (1, 9))),
    ):
        for place, own in asked:
            asked_K = torch.tensor([[own, int(drawn_BL[user - 1, place])]])
            score_K = model.score(row(items[: place + 1], user), asked_K)[0]
            losses.append(F.softplus(-score_K[0]) + F.softplus(score_K[1]))
    close(model.loss(batch), torch.stack(losses).mean())
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


def test_what_fired_on_the_zeros_before_the_first_is_left_out(world: World) -> None:
    """Of two events a filter of height 2 fires on the place before the first and the first: half of it is shown."""
    model = caser("bce", world, horizontal=1)
    with torch.no_grad():
        for filters in model.rows:
            filters.weight.zero_()  # type: ignore[union-attr, operator]
            filters.bias.fill_(-9.0)  # type: ignore[union-attr, operator]
        model.embedding.weight[5], model.embedding.weight[3] = 1.0, -1.0
        model.rows[0].weight.fill_(-0.25)  # type: ignore[union-attr, operator]
        model.rows[0].bias.zero_()  # type: ignore[union-attr, operator]
        model.rows[1].weight[:, :, 1] = 1.0  # type: ignore[union-attr, operator, index]
        model.rows[1].bias.zero_()  # type: ignore[union-attr, operator]
    (reason,) = model.explain(row([5, 3]), torch.tensor([1]))
    first, second = 16 * 0.25, 16.0  # on 3 alone; on nothing and 5
    close(reason.value[0], torch.tensor([second / 2, first]) / (first + second / 2))


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
