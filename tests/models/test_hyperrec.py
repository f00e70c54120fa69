"""HyperRec: its hypergraphs on numbers, its guard against the period that is asked about, and what it reduces to."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import models
from engine.tables.lacking import Lacking
from engine.tables.settings import Choice
from engine.training.batch import Batch
from engine.training.interactions import Interactions
from engine.training.needs import Needs
from models.blocks.periods import Mixing, Periods
from models.blocks.streams import seen
from models.hyperrec import HyperRec
from models.sasrec import SASRec
from tests.models.world import World, drawn, rows, section


def hyperrec(world: World, variant: str = "full", events: Interactions | None = None, **more: object) -> HyperRec:
    torch.manual_seed(1)
    choice = Choice(name="hyperrec", settings=section("hyperrec", variant).settings | more)
    model = models.build(choice, world.catalog, world.users).eval()
    assert isinstance(model, HyperRec)
    model.prepare(world.interactions(1) if events is None else events)
    return model


def few(acts: list[tuple[int, int, int]], items: int) -> Interactions:
    """Events (user, item, time) in their order."""
    names = ("user", "item", "time", "event")
    rows_E4 = np.array([(*act, number) for number, act in enumerate(acts, 1)])
    return Interactions.of(dict(zip(names, rows_E4.T, strict=True)), items)


# ---- periods


def test_periods_hold_about_as_many_events_each() -> None:
    periods = Periods(3, 2, 1, 0.0)
    events = few([(u, u % 4 + 1, t) for u, t in enumerate((50, 20, 70, 10, 40, 60, 30), 1)], 4)
    assert events.time_E is not None
    periods.fill(events, events.time_E)
    assert periods.end_P.tolist() == [20, 50, 70]
    assert periods.of(torch.tensor([0, 20, 21, 50, 70, 71])).tolist() == [1, 1, 2, 2, 3, 4]


def test_events_at_one_time_are_in_one_period() -> None:
    periods = Periods(3, 2, 1, 0.0)
    events = few([(1, 1 + n % 3, 10 if n < 5 else 90) for n in range(6)], 3)
    assert events.time_E is not None
    periods.fill(events, events.time_E)
    assert periods.of(events.time_E).tolist() == [1, 1, 1, 1, 1, 3]
    assert [len(g.sizes) for g in periods.graphs] == [1, 0, 1]  # type: ignore[arg-type]
    assert len(periods(torch.randn(4, 2))[0]) == 4  # items 1, 2, 3, then 3 again


def test_a_period_by_hand() -> None:
    """People chose {1, 2} and {2, 3, 4}: Dv = 1, 2, 1, 1, De = 2, 3; then a division by the root mean square."""
    periods = Periods(1, 2, 1, 0.0)
    events = few([(1, 1, 5), (1, 2, 6), (2, 2, 5), (2, 3, 7), (2, 4, 8)], 4)
    assert events.time_E is not None
    periods.fill(events, events.time_E)
    with torch.no_grad():
        periods.layers[0].weight.copy_(torch.tensor([[2.0, 0.0], [1.0, -1.0]]))  # type: ignore[union-attr,operator]
        for norm in periods.norms:
            norm.weight.copy_(torch.tensor([1.0, 10.0]))  # type: ignore[union-attr,operator]
    static_ND = torch.tensor([[0.0, 0.0], [1.0, -2.0], [3.0, 1.0], [5.0, 4.0], [1.0, -9.0]])
    dynamic_MD, intent_SD = periods(static_ND)

    def normed(x_D: Tensor) -> Tensor:
        return x_D / x_D.square().mean().sqrt() * torch.tensor([1.0, 10.0])

    root = 2**0.5
    _, one, two, three, four = static_ND
    edges = [(one + two / root) / 2, (two / root + three + four) / 3]
    means = [edges[0], (edges[0] + edges[1]) / root, edges[1], edges[1]]
    items = [normed(torch.stack([2 * m[0], m[0] - m[1]])).clamp(min=0) for m in means]
    torch.testing.assert_close(dynamic_MD, torch.stack(items))
    people = [items[0] + items[1] / root, items[1] / root + items[2] + items[3]]
    torch.testing.assert_close(intent_SD, torch.stack([normed(people[0] / 2**0.5), normed(people[1] / 3**0.5)]))


def test_an_item_starts_as_a_mixture_of_itself_and_what_it_was() -> None:
    periods = Periods(2, 3, 0, 0.0)
    events = few([(1, 1, 5), (1, 2, 6), (2, 2, 50), (2, 3, 51)], 3)
    assert events.time_E is not None
    periods.fill(events, events.time_E)
    static_ND = torch.randn(4, 3)
    dynamic_MD, _ = periods(static_ND)
    torch.testing.assert_close(dynamic_MD[:2], static_ND[1:3])  # nothing was before
    torch.testing.assert_close(dynamic_MD[2:], static_ND[2:])  # without layers it stays what it is
    moved = Periods(2, 3, 1, 0.0)
    moved.fill(events, events.time_E)
    first_MD = moved(static_ND)[0][:2]
    mixing = moved.mixing[0]
    assert isinstance(mixing, Mixing)
    logit = torch.stack([mixing.out(torch.tanh(mixing.dense(x))) for x in (static_ND[2], first_MD[1])])
    share = logit[:, 0].softmax(0)
    mixed = torch.stack([share[0] * static_ND[2] + share[1] * first_MD[1], static_ND[3]])
    expected = F.relu(
        moved.norms[0](moved.layers[0](mixed.mean(0, keepdim=True)))
    )  # one edge of two: each gets its mean
    torch.testing.assert_close(moved(static_ND)[0][2:], expected.expand(2, -1))


def test_what_was_last_is_found() -> None:
    periods = Periods(3, 2, 0, 0.0)
    events = few([(1, 1, 1), (1, 2, 2), (2, 2, 3), (2, 1, 4), (3, 2, 5), (3, 3, 6)], 3)
    assert events.time_E is not None
    periods.fill(events, events.time_E)
    assert periods.end_P.tolist() == [2, 4, 6]
    item = torch.tensor([1, 1, 1, 1, 2, 3, 3, 3])
    place, found = periods.item(item, torch.tensor([0, 1, 2, 4, 4, 2, 3, 4]))
    numbers = periods.item_M.tolist()
    assert found.tolist() == [False, True, True, True, True, False, True, True]
    assert place[found].tolist() == [0, 2, 2, 4, 5, 5]
    assert numbers == [1, 2, 1, 2, 2, 3]
    where, there = periods.person(torch.tensor([1, 2, 3, 3]), torch.tensor([3, 1, 2, 3]))
    assert there.tolist() == [True, False, False, True]
    assert where[there].tolist() == [0, 2]


def test_a_mixture_is_over_what_is_there() -> None:
    mixing, part = Mixing(4), torch.randn(5, 3, 4)
    share = mixing.out(torch.tanh(mixing.dense(part)))[..., 0].softmax(1)
    torch.testing.assert_close(mixing(part), (share[..., None] * part).sum(1))
    there = torch.tensor([True, True, False]).expand(5, -1)
    torch.testing.assert_close(mixing(part, there), mixing(part[:, :2]))


def test_later_hyperedges_change_nothing_earlier(world: World) -> None:
    events = world.interactions(1)
    assert events.time_E is not None
    model = hyperrec(world)
    end = int(model.periods.end_P[1])
    late_E = events.time_E > end
    other = hyperrec(world, events=replace(events, item_E=torch.where(late_E, events.item_E % 15 + 1, events.item_E)))
    assert torch.equal(model.periods.end_P, other.periods.end_P)
    before, after = model._vectors()[0], other._vectors()[0]
    early = int((model.periods.item_key_M % 5 <= 2).sum())
    assert torch.equal(before[:early], after[:early])
    assert not torch.equal(before[early:], after[early:])


# ---- the guard


def test_what_may_look_at_what() -> None:
    over_BXX = seen(torch.tensor([[1, 1, 2]]))[0].int().tolist()
    assert over_BXX[:3] == [[1, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0]]
    assert over_BXX[3:] == [[0, 0, 0, 1, 0, 0], [0, 0, 0, 1, 1, 0], [1, 1, 0, 0, 0, 1]]


@pytest.mark.parametrize("variant", ["full", "one_period", "two_layers", "bce", "no_layers"])
def test_no_score_or_loss_sees_the_hyperedges_of_the_targets_period(variant: str, world: World) -> None:
    """Without the target in its period's hypergraph, and without all that is not before it, each costs the same."""
    whole = world.interactions(1)
    assert whole.time_E is not None
    model = hyperrec(world, variant)
    period_E, moved = model.periods.of(whole.time_E), 0
    for place in range(1, len(whole), 3):
        user = whole.user_E[place : place + 1]
        start = whole.offset_U[user]
        if start == place:
            continue
        batch = drawn(world, model.needs, whole.targets(start, torch.tensor([place]), model.needs))
        assert batch.target_BL is not None
        last_BL = torch.arange(batch.item_BL.shape[1]) == batch.length_B[:, None] - 1
        batch = batch.but(target_BL=batch.target_BL * last_BL)
        outcome = [model.loss(batch)]
        state = {k: v.clone() for k, v in model.state_dict().items()}
        for kept_E in (torch.arange(len(whole)) != place, period_E < period_E[place]):
            link(model, whole, kept_E)
            outcome.append(model.loss(batch))
        assert outcome[0].item() == pytest.approx(outcome[1].item(), abs=1e-6)
        assert outcome[0].item() == pytest.approx(outcome[2].item(), abs=1e-6)
        link(model, whole, period_E >= period_E[place])
        moved += abs(model.loss(batch).item() - outcome[0].item()) > 1e-5
        model.load_state_dict(state)
    assert moved or variant in ("one_period", "no_layers")  # what was before is seen


def link(model: HyperRec, events: Interactions, kept_E: Tensor) -> None:
    """Hyperedges of some events alone; the periods stay."""
    assert events.time_E is not None
    model.periods.link(events.item_E[kept_E], events.user_E[kept_E], model.periods.of(events.time_E)[kept_E])


def test_a_row_is_read_as_if_each_target_were_asked_alone(world: World) -> None:
    """What the two streams give at every position is what a row cut there gives, with the guard of its own target."""
    model, events = hyperrec(world), world.interactions()
    assert events.time_E is not None
    ways = set()
    for user in range(1, world.users + 1):
        start_B = events.offset_U[[user]]
        stop_B = start_B + (world.lengths()[user - 1] - 1).clamp(max=model.needs.length)
        batch = events.targets(start_B, stop_B, model.needs)
        state_BLD, asked_BL = model._read(batch, model._vectors())
        for place in range(int(batch.length_B)):
            cut = events.before(torch.tensor([user]), torch.tensor([place + 1]), model.needs)
            assert cut.time_BL is not None
            assert cut.now_B is not None
            period_BL, now_B = model.periods.of(cut.time_BL), model.periods.of(cut.now_B)
            guarded_BL = torch.minimum(period_BL, now_B[:, None] - 1)  # the authors' way, for one target
            x_BLD = model._events(cut, guarded_BL, model._vectors())
            one_BL = torch.zeros_like(period_BL)
            expected = cut.last(model.streams(x_BLD, x_BLD, one_BL, one_BL.bool()))
            torch.testing.assert_close(state_BLD[:, place], expected, rtol=1e-4, atol=1e-5)
            assert asked_BL[0, place] == now_B[0]
            ways.add((bool(period_BL[0, -1] < now_B[0]), bool((period_BL[0] == now_B[0]).any())))
    assert {way[0] for way in ways} == {True, False}


# ---- what it reduces to


def test_in_one_period_without_layers_it_is_sasrec_on_twice_the_items(world: World) -> None:
    model = hyperrec(world, "full", periods=1, layers=0, heads=2)
    settings = {"dim": 16, "heads": 2, "blocks": 2, "inner": 16, "length": 8, "dropout": 0.0, "objective": "full"}
    sasrec = models.build(Choice(name="sasrec", settings=settings), world.catalog, world.users).eval()
    assert isinstance(sasrec, SASRec)
    ours = {k.removeprefix("streams."): v for k, v in model.state_dict().items()}
    sasrec.load_state_dict({k: ours[k.removeprefix("encoder.")] for k in sasrec.state_dict()})
    events = world.interactions(1)
    start_B = events.offset_U[torch.arange(1, world.users + 1)]
    batch = events.targets(start_B, events.offset_U[torch.arange(2, world.users + 2)] - 1, model.needs)
    batch = batch.but(now_B=model.periods.end_P.expand(world.users))
    torch.testing.assert_close(model.score_all(batch), 2 * sasrec.score_all(batch), rtol=1e-4, atol=1e-5)
    later = batch.but(now_B=model.periods.end_P.expand(world.users) + 1)
    assert not torch.allclose(model.score_all(later), 2 * sasrec.score_all(later), atol=1e-3)  # people speak too


def test_an_unknown_item_is_scored_with_its_own_vector_twice(world: World) -> None:
    model = hyperrec(world)
    events = world.interactions(1)
    link(model, events, events.item_E != 4)
    batch = rows(world, model.needs)
    state_BD = batch.last(model._read(batch, model._vectors())[0])
    expected = state_BD @ (2 * model.embedding.weight[4])
    torch.testing.assert_close(model.score(batch, torch.full((world.users, 1), 4))[:, 0], expected)


def test_an_untold_model_is_its_own_vectors_alone(world: World) -> None:
    model = hyperrec(world)
    torch.manual_seed(1)
    plain = models.build(section("hyperrec", "full"), world.catalog, world.users).eval()
    assert isinstance(plain, HyperRec)
    batch = rows(world, model.needs)
    assert plain.score_all(batch).shape == model.score_all(batch).shape
    assert not torch.allclose(plain.score_all(batch), model.score_all(batch), atol=1e-4)


def test_the_choice_by_hand(world: World) -> None:
    model = hyperrec(world, "bce", negatives=2)
    events = world.interactions(1)
    start_B = events.offset_U[[2]]
    batch = events.targets(start_B, start_B + 5, model.needs).but(negative_BLK=torch.tensor([[[3, 7]] * 5]))
    assert batch.target_BL is not None
    expected = 0.0
    for place in range(5):
        cut = events.before(torch.tensor([2]), torch.tensor([place + 1]), model.needs)
        own, *other = model.score(cut, torch.tensor([[int(batch.target_BL[0, place]), 3, 7]]))[0]
        expected += (F.softplus(-own) + sum(F.softplus(s) for s in other)).item() / 5
    assert model.loss(batch).item() == pytest.approx(expected, rel=1e-5)


# ---- the door


def test_times_are_asked_for(world: World) -> None:
    model = hyperrec(world)
    events = replace(world.interactions(1), time_E=None)
    with pytest.raises(Lacking, match="periods are made of times, and these events have none"):
        model.prepare(events)
    with pytest.raises(Lacking, match="and these events have no"):
        events.before(torch.tensor([1]), torch.tensor([1]), model.needs)
    batch = rows(world, model.needs)
    for lacking in (batch.but(now_B=None), batch.but(time_BL=None)):
        with pytest.raises(ValueError, match="rows are asked at moments; the batch has none"):
            model.score_all(lacking)
    with pytest.raises(ValueError, match="without targets has no loss"):
        model.loss(batch)


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"models\.hyperrec.*dim 16 is not a multiple of heads 3"):
        models.configure(Choice(name="hyperrec", settings=section("hyperrec", "full").settings | {"heads": 3}))
    assert models.configure(section("hyperrec", "bce")).needs == Needs(length=8, negatives=3, times=True, now=True)
    assert models.configure(section("hyperrec", "sampled")).needs == Needs(length=8, shared=6, times=True, now=True)


def test_a_batch_without_now_is_that_of_other_models(world: World) -> None:
    events, needs = world.interactions(), Needs(length=8)
    batch: Batch = events.before(torch.tensor([1, 2]), torch.tensor([2, 3]), needs)
    assert batch.now_B is None
    assert events.targets(events.offset_U[[1]], events.offset_U[[1]] + 2, needs).now_B is None
