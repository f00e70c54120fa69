"""Windows hold each target once; negatives are never training items; draws have the counts they say."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.tables.arrays import event_columns
from engine.training import sampling
from engine.training.contract import Learner
from engine.training.interactions import Interactions
from engine.training.loop import Loop
from engine.training.needs import Needs
from engine.training.sampling import Negatives, Shared, batches, windows, windows_of
from engine.training.schedule import Train
from engine.training.steps import Steps, units
from tests.models.world import World, built

histories = st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=15), min_size=1, max_size=6)


def events(histories: list[list[int]], items: int = 9) -> Interactions:
    user = [u for u, found in enumerate(histories, 1) for _ in found]
    frame = pl.DataFrame(
        {"user": user, "item": [i for found in histories for i in found], "time": [None] * len(user)},
        schema={"user": pl.UInt32, "item": pl.UInt32, "time": pl.Datetime("us", "UTC")},
    )
    return Interactions.of(event_columns(frame), items)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(histories, st.integers(1, 6), st.integers(0, 99))
def test_each_event_but_a_users_first_is_a_target_in_exactly_one_window(
    histories: list[list[int]], length: int, seed: int
) -> None:
    train = events(histories)
    start_W, stop_W = windows(train, length, seeded(seed))
    assert ((stop_W - start_W) >= 1).all()
    assert ((stop_W - start_W) <= length).all()
    targets = [place + 1 for s, e in zip(start_W.tolist(), stop_W.tolist(), strict=True) for place in range(s, e)]
    firsts = set(train.offset_U[1:-1].tolist())
    assert sorted(targets) == [place for place in range(len(train)) if place not in firsts]
    for start, stop in zip(start_W.tolist(), stop_W.tolist(), strict=True):
        assert train.user_E[start] == train.user_E[stop]


def test_borders_move_from_epoch_to_epoch_and_repeat_with_the_seed() -> None:
    train = events([[1] * 40])
    starts = {tuple(sorted(windows(train, 7, seeded(seed))[0].tolist())) for seed in range(30)}
    assert len(starts) > 3
    assert torch.equal(windows(train, 7, seeded(4))[0], windows(train, 7, seeded(4))[0])


@given(histories, st.integers(1, 6))
def test_windows_are_as_few_as_can_be(histories: list[list[int]], length: int) -> None:
    assert len(windows(events(histories), length, seeded())[0]) == sum(-(-(len(h) - 1) // length) for h in histories)


@given(histories, st.integers(1, 6), st.integers(1, 4), st.integers(0, 99))
def test_steps_are_the_windows_of_an_epoch(histories: list[list[int]], length: int, rows: int, seed: int) -> None:
    train = events(histories)
    found = [p for s, e in batches(train, length, rows, seeded(seed)) for p in zip(s.tolist(), e.tolist(), strict=True)]
    start_W, stop_W = windows(train, length, seeded(seed))
    assert sorted(found) == sorted(zip(start_W.tolist(), stop_W.tolist(), strict=True))


def test_steps_hold_as_many_targets_each_with_little_padding() -> None:
    rng = np.random.default_rng(0)
    train = events([[1] * n for n in rng.integers(2, 60, 600).tolist()])
    steps = [stop_B - start_B for start_B, stop_B in batches(train, 20, 16, seeded())]
    assert len(steps) == -(-len(windows(train, 20, seeded())[0]) // 16)
    targets = torch.stack([size_B.sum() for size_B in steps])
    assert (targets - targets.float().mean()).abs().max() <= 20
    cells = sum(len(size_B) * int(size_B.max()) for size_B in steps)
    assert cells < 1.1 * int(targets.sum())


def test_steps_are_not_taken_from_short_to_long() -> None:
    train = events([[1] * n for n in range(2, 100)])
    longest = [int((stop_B - start_B).max()) for start_B, stop_B in batches(train, 100, 10, seeded())]
    assert len(longest) > 5
    assert longest != sorted(longest)


def test_windows_come_in_random_order() -> None:
    train = events([[1, 2, 3]] * 30)
    start_W, _ = windows(train, 5, seeded())
    assert start_W.tolist() != sorted(start_W.tolist())
    assert len(train.targets(*windows(train, 5, seeded()), Needs(length=5)).user_B) == 30


@settings(max_examples=50)
@given(histories, st.integers(1, 3), st.integers(0, 99))
def test_negatives_are_items_that_the_user_did_not_choose_in_training(
    histories: list[list[int]], count: int, seed: int
) -> None:
    train = events([h[:8] for h in histories])  # at least one of nine items is left
    user_B = torch.arange(1, len(histories) + 1)
    drawn_BLK = Negatives(train).draw(user_B, (len(histories), 4, count), seeded(seed), rounds=500)
    assert drawn_BLK.shape == (len(histories), 4, count)
    assert ((drawn_BLK >= 1) & (drawn_BLK <= 9)).all()
    for row, items in enumerate(histories):
        assert not set(drawn_BLK[row].flatten().tolist()) & set(items[:8])


def test_the_table_and_the_search_draw_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    train, user_B = events([[1, 2, 3], [4], [5, 6, 7, 8, 9]]), torch.tensor([1, 2, 3])
    found = Negatives(train).draw(user_B, (3, 40, 2), seeded())
    monkeypatch.setattr(sampling, "CELLS", 0)
    assert torch.equal(Negatives(train).draw(user_B, (3, 40, 2), seeded()), found)


def test_negatives_are_uniform_over_what_is_left() -> None:
    drawn = Negatives(events([[1, 2, 3], [4]])).draw(torch.tensor([1]), (1, 6000), seeded(), rounds=100)
    counts = torch.bincount(drawn.flatten(), minlength=10)
    assert counts[:4].sum() == 0
    assert ((counts[4:] - 1000).abs() < 130).all()


def test_a_user_with_everything_does_not_hang() -> None:
    drawn = Negatives(events([list(range(1, 10))])).draw(torch.tensor([1]), (1, 5), seeded())
    assert drawn.shape == (1, 5)


@pytest.mark.parametrize("cells", [0, 1000])
def test_has_knows_training_pairs(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "CELLS", cells)
    negatives = Negatives(events([[1, 9], [3]]))
    user, item = torch.tensor([1, 1, 2, 2, 2]), torch.tensor([1, 3, 3, 9, 1])
    assert negatives.has(user, item).tolist() == [True, False, True, False, False]


def test_shared_items_are_drawn_by_popularity_and_know_their_expected_counts() -> None:
    train = events([[1] * 16 + [2] * 81 + [3]])
    batch = train.pairs(torch.arange(2))
    drawn = Shared(train, power=0.75).draw(batch, 20_000, seeded())
    assert drawn.shared_S is not None
    assert drawn.expected_S is not None
    share = np.array([8, 27, 1]) / 36
    counts = np.bincount(drawn.shared_S.numpy(), minlength=10)
    np.testing.assert_allclose(counts[1:4] / 20_000, share, atol=0.012)
    assert counts.sum() == counts[1:4].sum()
    expected = np.log(20_000 * share)[drawn.shared_S.numpy() - 1]
    np.testing.assert_allclose(drawn.expected_S.numpy(), expected, rtol=1e-5)


def test_shared_items_are_drawn_uniformly_at_power_0() -> None:
    train = events([[1] * 16 + [2] * 81 + [3]])
    drawn = Shared(train, power=0.0).draw(train.pairs(torch.arange(2)), 9_000, seeded())
    assert drawn.shared_S is not None
    counts = np.bincount(drawn.shared_S.numpy(), minlength=10)
    np.testing.assert_allclose(counts[1:] / 9_000, np.full(9, 1 / 9), atol=0.012)  # those never met, too
    torch.testing.assert_close(drawn.expected_S, torch.full((9_000,), 1000.0).log())


def test_a_step_draws_by_the_power_that_is_asked() -> None:
    train = events([[1] * 16 + [2] * 81 + [3]] * 2)
    for power, share in ((1.0, 81 / 98), (0.0, 1 / 9)):
        needs = Needs(length=50, shared=9_000, shared_power=power)
        batch, _ = next(iter(Steps(train, needs, 4).epoch(seeded())))
        assert batch.shared_S is not None
        assert float((batch.shared_S == 2).float().mean()) == pytest.approx(share, abs=0.02)


@given(histories, st.integers(1, 6), st.integers(1, 3))
def test_windows_are_counted_before_they_are_cut(histories: list[list[int]], length: int, ahead: int) -> None:
    train = events(histories)
    assert windows_of(train, length, ahead) == len(windows(train, length, seeded(), ahead)[0])


@pytest.mark.parametrize(
    ("asked", "rows"),
    [({}, 64), ({"steps": 100}, 27), ({"steps": 1000}, 16), ({"steps": 10}, 64), ({"steps": 100, "batch_size": 8}, 8)],
)
def test_small_data_is_learnt_in_smaller_batches(asked: dict[str, int], rows: int) -> None:
    assert Train(**asked).rows(2_750) == rows


def test_an_epoch_has_the_steps_asked_for() -> None:
    """Of windows where a model reads histories, of events where it reads none."""
    train = events([[1, 2, 3, 4, 5] for _ in range(200)])
    for needs, there in ((Needs(length=2), 400), (Needs(negatives=1), 1000)):
        assert units(train, needs) == there
        steps = list(Steps(train, needs, Train(steps=20, batch_size=200).rows(there)).epoch(seeded()))
        assert len(steps) == 20


def test_the_loop_takes_the_smaller_batches(tmp_path: Path) -> None:
    world = World([[1, 2, 3, 4, 5] for _ in range(200)], 5)
    model = built("bpr_mf", "plain", world)
    assert isinstance(model, Learner)
    loops = [
        Loop(model, world.interactions(), Train(steps=steps, batch_size=200), 1, tmp_path / "run.pt")
        for steps in (0, 20)
    ]
    assert [loop.steps.size for loop in loops] == [200, 50]
