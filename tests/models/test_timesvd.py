"""TimeSVD++: a rating and a step by hand, time's own arithmetic, SVD++ as it is written, drift that is found."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import models
from engine.tables.lacking import Lacking
from engine.tables.settings import Choice
from engine.training.audience import NEVER
from engine.training.catalog import Catalog
from engine.training.interactions import Interactions
from models.blocks.descent import Ratings
from models.blocks.drifting import DAY, Days
from models.timesvd import TimeSVD
from tests.models.test_iarn import few
from tests.models.test_mf import solved
from tests.models.world import World


def events_of(rows: list[tuple[int, int, float, int]]) -> Interactions:
    """(user, item, rating, day)."""
    events = few([(user, item, rating, place) for place, (user, item, rating, _) in enumerate(rows)])
    order = sorted(range(len(rows)), key=lambda place: (rows[place][0], place))
    time_E = torch.tensor([rows[place][3] * DAY + 77 for place in order])
    return replace(events, items=max(item for _, item, _, _ in rows), time_E=time_E)


ROWS = [(1, 1, 5.0, 0), (1, 2, 3.0, 0), (1, 3, 4.0, 8), (2, 1, 4.0, 2), (2, 3, 1.0, 9)]


def test_days_by_hand() -> None:
    events = events_of(ROWS)
    assert events.time_E is not None
    days = Days(2, 5, 0.5, True)
    days.learn(events.user_E, events.time_E)
    when = days.when(events.user_E, events.time_E)
    # person 1's mean day is 8/3, person 2's 5.5; the largest distance is 16/3
    apart = [-8 / 3, -8 / 3, 16 / 3, -3.5, 3.5]
    assert when.dev_B.tolist() == pytest.approx([np.sign(a) * (abs(a) / (16 / 3)) ** 0.5 for a in apart])
    assert when.bin_B.tolist() == [0, 0, 4, 1, 4]  # day * 5 // 10
    assert when.day_B.tolist() == [1, 1, 2, 3, 4]
    # a day without ratings, a later one, one before all, another's day, and after all that is known
    user_B = torch.tensor([1, 1, 1, 1, 2])
    time_B = torch.tensor([4 * DAY + 80, 500 * DAY, -3 * DAY, 2 * DAY + 77, NEVER])
    later = days.when(user_B, time_B)
    assert later.day_B.tolist() == [0, 0, 0, 0, 4]
    assert later.bin_B.tolist() == [2, 4, 0, 1, 4]
    assert later.dev_B[1].item() == pytest.approx(1.0)  # held within training
    days.clip = False
    assert days.when(user_B, time_B).dev_B[1].item() == pytest.approx(((499 - 8 / 3) / (16 / 3)) ** 0.5)


def test_a_rating_by_hand() -> None:
    events = events_of(ROWS)
    model = solved(events, "timesvd", items=3, users=2, dim=2, epochs=1, bins=5, penalty=0.0)
    assert isinstance(model, TimeSVD)
    torch.manual_seed(4)
    for name in ("user_UE", "drift_UE", "item_NE", "bin_NB", "day_YG", "scale_U"):
        getattr(model, name).copy_(torch.randn(getattr(model, name).shape))
    model.day_YG[0] = 0
    batch = events.pairs(torch.tensor([2]), model.needs)
    when = model.days.when(batch.user_B, torch.tensor([8 * DAY + 77]))
    dev, day = float(when.dev_B), model.day_YG[2]
    p = model.user_UE[1, :2] + dev * model.drift_UE[1, :2] + day[:2]
    bias_u = model.user_UE[1, 2] + dev * model.drift_UE[1, 2] + day[2]
    bias_i = (model.item_NE[3, 2] + model.bin_NB[3, 4]) * (model.scale_U[1] + day[3])
    expected = model.mean + bias_u + bias_i + model.item_NE[3, :2] @ p
    assert model.rate(batch, torch.tensor([3])).item() == pytest.approx(float(expected), rel=1e-5)


def test_a_step_is_down_the_slope() -> None:
    """One rating, from tables that are nowhere 0 and a day far from the mean one: without penalties everything moves by
    its rate down the slope of half the squared error; what drifts at a tenth of it.
    """
    events = events_of([(1, 2, 4.0, 3)])
    torch.manual_seed(1)
    settings = {"dim": 3, "epochs": 1, "penalty": 0.0, "drift_penalty": 0.0, "rate": 0.1, "bins": 2}
    model = models.build(Choice(name="timesvd", settings=settings), Catalog(2), 1)
    assert isinstance(model, TimeSVD)
    model._when(events)
    first = {name: value + 0.3 * torch.randn(value.shape) for name, value in model._first().items()}
    kept = {name: value.clone() for name, value in first.items()}
    model._first = lambda: first  # type: ignore[method-assign]
    model._when = lambda train: [np.array([0.7], np.float32), np.array([1]), np.array([1])]  # type: ignore[method-assign]
    model.solve(events)
    leaves = {name: value.requires_grad_() for name, value in kept.items()}
    p, a, q, own = leaves["user_UE"][1], leaves["drift_UE"][1], leaves["item_NE"][2], leaves["day_YG"][1]
    taste = p[:-1] + 0.7 * a[:-1] + own[:-2] + leaves["y_ND"][2]
    bias_i = (q[-1] + leaves["bin_NB"][2, 1]) * (leaves["scale_U"][1] + own[-1])
    found = 4 + p[-1] + 0.7 * a[-1] + own[-2] + bias_i + q[:-1] @ taste  # the mean is 4
    slopes = torch.autograd.grad((4 - found) ** 2 / 2, list(leaves.values()))
    slow = {"drift_UE", "bin_NB", "scale_U", "day_YG"}
    moved = {
        name: (value - (0.01 if name in slow else 0.1) * slope).detach()
        for (name, value), slope in zip(leaves.items(), slopes, strict=True)
    }
    torch.testing.assert_close(model.item_NE[2], moved["item_NE"][2])
    torch.testing.assert_close(model.user_UE[1, :-1], moved["user_UE"][1, :-1] + moved["y_ND"][2])
    for name in sorted(slow):
        torch.testing.assert_close(getattr(model, name), moved[name])
        assert not torch.equal(moved[name], kept[name])


def test_svdpp_is_surprises_loop_over_every_y() -> None:
    """The steps that are taken together are those of each y at each rating, written as its authors' readers do."""
    world = World([[1, 2, 3, 4, 5], [2, 3, 4], [5, 6, 1], [6, 2, 4, 1]], 6)
    events = world.interactions()
    settings = {"dim": 3, "epochs": 2, "penalty": 0.05, "rate": 0.03, "drift": "none"}
    model = solved(events, "timesvd", items=6, **settings)
    assert events.rating_E is not None
    ratings = Ratings.of(events)
    p, q, y = (t.double().numpy().copy() for t in (model.first_XD[:5], model.first_XD[5:], model.first_ND))
    bu, bi, mean = np.zeros(5), np.zeros(7), float(ratings.mean)
    had = {u: np.array(world.frame.filter(world.frame["user"] == u)["item"].to_list()) for u in range(1, 5)}
    for order_E in ratings.orders(2, model.seed):
        for e in order_E:
            u, i, r = ratings.user_E[e], ratings.item_E[e], ratings.rating_E[e]
            root, old_q = len(had[u]) ** -0.5, q[i].copy()
            x = p[u] + root * y[had[u]].sum(0)
            error = r - (mean + bu[u] + bi[i] + x @ old_q)
            bu[u] += 0.03 * (error - 0.05 * bu[u])
            bi[i] += 0.03 * (error - 0.05 * bi[i])
            q[i] += 0.03 * (error * x - 0.05 * old_q)
            p[u] += 0.03 * (error * old_q - 0.05 * p[u])
            y[had[u]] += 0.03 * (error * root * old_q - 0.05 * y[had[u]])
    for u in range(1, 5):
        whole = p[u] + len(had[u]) ** -0.5 * y[had[u]].sum(0)
        assert model.user_UE[u].tolist() == pytest.approx([*whole, bu[u]], rel=1e-4, abs=1e-5)
    assert model.item_NE[1:, :-1].numpy() == pytest.approx(q[1:], rel=1e-4, abs=1e-5)


def test_without_drift_it_needs_no_times_and_with_it_says_so() -> None:
    events = replace(few([(1, 1, 4.0, 1), (1, 2, 2.0, 2)]), time_E=None)
    assert solved(events, "timesvd", drift="none", epochs=1).needs.now is False
    with pytest.raises(Lacking, match=r"drift with time, and these events have none: set drift to none"):
        solved(events, "timesvd", epochs=1)
    timed = events_of(ROWS)
    model = solved(timed, "timesvd", items=3, users=2, epochs=1)
    with pytest.raises(ValueError, match="asked at a moment; the batch says none"):
        model.rate(timed.pairs(torch.tensor([2]), model.needs).but(now_B=None), torch.tensor([3]))


@pytest.mark.parametrize("drift", ["daily", "linear"])
def test_all_times_moved_alike_change_nothing(drift: str) -> None:
    events = events_of(ROWS)
    assert events.time_E is not None
    later = replace(events, time_E=events.time_E + 12_345_678)
    settings = {"items": 3, "users": 2, "dim": 3, "epochs": 5, "drift": drift}
    one, other = (solved(e, "timesvd", **settings) for e in (events, later))
    place = torch.arange(5)
    found = [m.rate(e.pairs(place, m.needs), e.item_E) for m, e in ((one, events), (other, later))]
    assert torch.equal(*found)


def test_what_drifts_is_found_and_kept_with_the_weights() -> None:
    """People grow harsher day by day, an item is liked later only: static biases cannot say so."""
    generator = np.random.default_rng(1)
    rows = []
    for user in range(1, 41):
        for day in range(0, 40, 2):
            item = int(generator.integers(1, 11))
            rows.append((user, item, float(5 - day / 20 + (2 if item == 1 and day > 20 else 0)), day))
    events = events_of(rows)
    shape: dict[str, Any] = {"items": 10, "users": 40, "dim": 2, "epochs": 60, "penalty": 0.01, "rate": 0.02}
    place = torch.arange(len(events))

    def wrong(model: Any) -> float:
        found = model.rate(events.pairs(place, model.needs), events.item_E)
        return float(((found - events.rating_E) ** 2).mean().sqrt())

    model = solved(events, "timesvd", drift="linear", drift_rate=1.0, drift_penalty=0.01, **shape)
    assert wrong(model) < 0.5 * wrong(solved(events, "timesvd", drift="none", **shape))
    daily = solved(events, "timesvd", drift="daily", drift_rate=1.0, drift_penalty=0.01, **shape)
    assert len(daily.day_YG) == 1 + len({(row[0], row[3]) for row in rows})
    torch.manual_seed(9)
    again = models.build(
        Choice(name="timesvd", settings={k: v for k, v in shape.items() if k not in ("items", "users")}),
        Catalog(10),
        40,
    )
    again.load_state_dict(daily.state_dict())
    assert wrong(again) == wrong(daily)


def test_drift_that_does_not_move_is_svdpp_bit_for_bit() -> None:
    """With alpha, days and bins left at 0 and c_u at 1 the steps by the clock are those without it."""
    events = events_of(ROWS)
    settings = {"items": 3, "users": 2, "dim": 3, "epochs": 6, "penalty": 0.05}
    plain = solved(events, "timesvd", drift="none", **settings)
    still, drifting = (solved(events, "timesvd", drift="daily", drift_rate=rate, **settings) for rate in (0.0, 0.5))
    place = torch.arange(5)
    found = [m.rate(events.pairs(place, m.needs), events.item_E) for m in (plain, still, drifting)]
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
