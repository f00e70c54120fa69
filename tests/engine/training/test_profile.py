"""Profiles: eq. 7 by hand and by a double loop, and no look ahead, tried in place."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.tables import schemas, topic_windows
from engine.training import profile
from engine.training.profile import ProfileSource
from engine.training.source import topic_profiles

MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
TOPICS = 3


def shares(rows: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(TOPICS), rows).astype(np.float32)


def split(rows: list[tuple[int, int, datetime | None]]) -> pl.DataFrame:
    schema = {"user": pl.UInt32, "item": pl.UInt32, "time": schemas.Time}
    return pl.DataFrame(rows, schema=schema, orient="row")


def topic_items(items: list[int], seed: int = 1) -> pl.DataFrame:
    share = shares(max(items, default=0) + 1, seed)[items]
    schema = {"item": pl.UInt32, "share": pl.Array(pl.Float32, TOPICS)}
    return pl.DataFrame({"item": items, "share": share}, schema=schema)


def topic_history(events: pl.DataFrame, window: str, leave: int = 0, seed: int = 2) -> pl.DataFrame:
    """A row for every window of every user but each `leave`-th."""
    keys = events.select("user", topic_windows.windows(pl.col("time"), window).alias("window"))
    keys = keys.unique().sort("user", "window")
    keys = keys.with_columns(pl.Series("share", shares(keys.height, seed), dtype=pl.Array(pl.Float32, TOPICS)))
    return keys.gather([i for i in range(keys.height) if not leave or i % leave])


def double_loop(
    events: pl.DataFrame, history: pl.DataFrame, items: pl.DataFrame, decay: float, window: str
) -> np.ndarray:
    """Eq. 7 as it is written: for each event, over all earlier windows of its user, and over this one up to here."""
    share = {item: np.array(s, float) for item, s in items.rows()}
    past = {(user, start): np.array(s, float) for user, start, s in history.rows()}
    length = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}[window]
    rows = events.select("user", "item", topic_windows.windows(pl.col("time"), window).alias("window")).rows()
    found = []
    for e, (user, _, now) in enumerate(rows):
        parts = []
        for owner, start in past:
            if owner == user and start < now:
                parts.append((math.exp(-decay * ((now - start) / length)), past[owner, start]))
        here = [share[i] for u, i, w in rows[: e + 1] if u == user and w == now and i in share]
        if here:
            parts.append((1.0, np.mean(here, axis=0)))
        mass = sum(weight for weight, _ in parts)
        found.append(sum(w * s for w, s in parts) / mass if parts else np.full(TOPICS, 1 / TOPICS))
    return np.array(found)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[pl.DataFrame, str]:
    window = draw(st.sampled_from(["hour", "day", "week"]))
    rows = []
    for user in draw(st.lists(st.integers(1, 9), min_size=1, max_size=3, unique=True).map(sorted)):
        gaps = draw(st.lists(st.integers(0, 400), min_size=1, max_size=8))
        times = [MONDAY + timedelta(hours=hours) for hours in np.cumsum(gaps).tolist()]
        rows.extend((user, draw(st.integers(1, 6)), time) for time in times)
    return split(rows), window


@settings(deadline=None, max_examples=60)
@given(worlds(), st.floats(0, 1), st.integers(0, 3))
def test_equals_the_double_loop_and_sums_to_one(world: tuple[pl.DataFrame, str], decay: float, leave: int) -> None:
    events, window = world
    history, items = topic_history(events, window, leave if leave != 1 else 0), topic_items([1, 2, 4, 5])
    found = topic_profiles(events, history, items, decay, window)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(found, double_loop(events, history, items, decay, window), atol=1e-5)
    plain = topic_profiles(events, history, items, decay, window, compiled=False)
    np.testing.assert_allclose(plain, found, rtol=1e-6, atol=1e-7)


@settings(deadline=None, max_examples=40)
@given(worlds(), st.data())
def test_the_future_changes_nothing_in_place(world: tuple[pl.DataFrame, str], data: st.DataObject) -> None:
    """From some event on: other items, and other history rows from its window on, which hold that future."""
    events, window = world
    history, items = topic_history(events, window), topic_items(list(range(1, 13)))
    cut = data.draw(st.integers(0, events.height - 1))
    user = events["user"][cut]
    start = events.select(topic_windows.windows(pl.col("time"), window))["time"][cut]
    later = pl.int_range(pl.len()) >= cut
    later &= pl.col("user") == user
    changed = events.with_columns(item=pl.when(later).then(pl.col("item") + 6).otherwise("item").cast(pl.UInt32))
    touched = (pl.col("user") == user) & (pl.col("window") >= start)
    other = history.with_columns(pl.Series("other", shares(history.height, 9), dtype=pl.Array(pl.Float32, TOPICS)))
    other = other.select("user", "window", share=pl.when(touched).then("other").otherwise("share"))
    before = topic_profiles(events, history, items, 0.2, window)
    after = topic_profiles(changed, other, items, 0.2, window)
    kept = (np.arange(events.height) < cut) | (events["user"].to_numpy() != user)
    np.testing.assert_array_equal(before[kept], after[kept])
    assert not np.array_equal(before[cut], after[cut])


def test_a_later_item_of_the_same_window_changes_nothing_earlier() -> None:
    rows = [(1, item, MONDAY + timedelta(hours=hour)) for item, hour in [(1, 0), (2, 24), (3, 48)]]
    history, items = topic_history(split(rows), "week"), topic_items(list(range(1, 7)))
    before = topic_profiles(split(rows), history, items, 0.2, "week")
    rows[2] = (1, 6, rows[2][2])
    after = topic_profiles(split(rows), topic_history(split(rows), "week", seed=7), items, 0.2, "week")
    np.testing.assert_array_equal(before[:2], after[:2])
    assert not np.allclose(before[2], after[2])


def test_without_decay_it_is_the_plain_mean_of_windows() -> None:
    events = split([(1, 1, MONDAY), (1, 2, MONDAY + timedelta(weeks=5)), (1, 3, MONDAY + timedelta(weeks=9))])
    history, items = topic_history(events, "week"), topic_items([1, 2, 3])
    found = topic_profiles(events, history, items, 0.0, "week")
    past, now = np.array(history["share"].to_list()), np.array(items["share"].to_list())
    np.testing.assert_allclose(found[2], (past[0] + past[1] + now[2]) / 3, atol=1e-6)


def test_eq_7_by_hand() -> None:
    events = split([(1, 1, MONDAY), (1, 2, MONDAY + timedelta(weeks=2))])
    half = pl.Array(pl.Float32, 2)
    keys = {"user": pl.UInt32, "window": schemas.Time, "share": half}
    history = pl.DataFrame([(1, MONDAY, [1.0, 0.0])], schema=keys, orient="row")
    items = pl.DataFrame({"item": [1, 2], "share": [[0.5, 0.5], [0.0, 1.0]]}, schema={"item": pl.UInt32, "share": half})
    weight = math.exp(-0.4)
    expected = [[0.5, 0.5], [weight / (weight + 1), 1 / (weight + 1)]]
    np.testing.assert_allclose(topic_profiles(events, history, items, 0.2, "week"), expected, atol=1e-6)


def test_nothing_known_is_uniform_and_a_long_silence_keeps_the_last_profile() -> None:
    events = split([(1, 9, MONDAY), (1, 1, MONDAY), (1, 9, MONDAY + timedelta(days=9000))])
    found = topic_profiles(events, topic_history(events, "hour"), topic_items([1]), 1.0, "hour")
    np.testing.assert_allclose(found[0], 1 / TOPICS)
    np.testing.assert_allclose(found[2], topic_history(events, "hour")["share"][0].to_numpy(), atol=1e-6)


def test_without_times_each_event_is_a_window() -> None:
    events = split([(1, 1, None), (1, 2, None), (2, 1, None)])
    items = topic_items([1, 2])
    share = np.array(items["share"].to_list())
    weight = math.exp(-0.5)
    found = topic_profiles(events, topic_history(events, "week").clear(), items, 0.5, "week")
    np.testing.assert_allclose(found, [share[0], (weight * share[0] + share[1]) / (weight + 1), share[0]], atol=1e-6)


def test_many_blocks_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(user, 1 + user % 4, MONDAY + timedelta(days=day)) for user in range(1, 8) for day in range(user)]
    events = split(rows)
    whole = topic_profiles(events, topic_history(events, "week"), topic_items([1, 2, 3, 4]), 0.2, "week")
    monkeypatch.setattr(profile, "BLOCK", 3)
    parts = topic_profiles(events, topic_history(events, "week"), topic_items([1, 2, 3, 4]), 0.2, "week", np.float16)
    assert parts.dtype == np.float16
    np.testing.assert_allclose(parts, whole, atol=1e-3)


def test_what_is_refused() -> None:
    good = split([(1, 1, MONDAY), (1, 2, MONDAY + timedelta(weeks=1))])
    history, items = topic_history(good, "week"), topic_items([1, 2])
    with pytest.raises(ValueError, match=r"set contents\.<content>\.topics\.method"):
        topic_profiles(good, history, items.clear(), 0.2, "week")
    with pytest.raises(ValueError, match="forward in time"):
        topic_profiles(good.reverse(), history, items, 0.2, "week")
    with pytest.raises(ValueError, match="1 of 2 events have no time"):
        topic_profiles(split([(1, 1, MONDAY), (1, 2, None)]), history, items, 0.2, "week")
    with pytest.raises(ValueError, match="one of hour, day, week"):
        topic_profiles(good, history, items, 0.2, "month")
    with pytest.raises(ValueError, match="0 or more"):
        topic_profiles(good, history, items, -1.0, "week")
    wide = items.with_columns(share=pl.Series([[0.5, 0.5]] * 2, dtype=pl.Array(pl.Float32, 2)))
    with pytest.raises(ValueError, match="items have 2 topics and histories 3"):
        topic_profiles(good, history, wide, 0.2, "week")


def test_labels_and_trend() -> None:
    words = pl.DataFrame({"topic": [1, 1, 2, 2], "rank": [1, 2, 1, 2], "word": ["storm", "sea", "love", "kiss"]})
    assert topic_windows.labels(words, 2) == {1: "storm, sea", 2: "love, kiss"}
    history = topic_history(split([(1, 1, MONDAY), (1, 1, MONDAY + timedelta(weeks=1)), (2, 1, MONDAY)]), "week")
    share = np.array(history.filter(pl.col("user") == 1)["share"].to_list())
    heaviest = int(share.sum(0).argmax())
    found = topic_windows.trend(history, 1, top=1)
    assert found["topic"].to_list() == [heaviest + 1] * 2
    np.testing.assert_allclose(found["share"].to_numpy(), share[:, heaviest])
    assert topic_windows.trend(history, 7).height == 0


def source(events: pl.DataFrame, history: pl.DataFrame, items: pl.DataFrame, window: str = "week") -> ProfileSource:
    return ProfileSource(*topic_windows.profile_arrays(events, history, items, window), 0.3)


def weeks() -> pl.DataFrame:
    """Person 1 has three acts in the first week and two in the third, person 2 one and two in each of the next."""
    days = {1: [0, 1, 2, 14, 15], 2: [0, 7, 8, 14]}
    return split(
        [(user, 1 + n + user, MONDAY + timedelta(days=day)) for user, at in days.items() for n, day in enumerate(at)]
    )


def test_without_anything_gone_profiles_are_as_they_were() -> None:
    events, items = weeks(), topic_items([2, 3, 4, 5, 6, 7])
    history = topic_history(events, "week", leave=4)
    whole_ET = topic_profiles(events, history, items, 0.3, "week")
    event_BL = np.array([[3, 4, 5], [6, 7, 8], [9, 0, 0]])  # what came before a row is in its profiles
    found = source(events, history, items).without(event_BL, np.zeros((3, 3), bool))
    np.testing.assert_allclose(found[:2], whole_ET[event_BL[:2] - 1], atol=1e-6)
    np.testing.assert_allclose(found[2], [whole_ET[8], [0] * 3, [0] * 3], atol=1e-6)


def test_the_window_going_on_is_the_mean_of_what_is_left() -> None:
    events, items = weeks(), topic_items([2, 3, 4, 5, 6, 7])
    history = topic_history(events, "week")
    share = {item: np.array(s) for item, s in items.rows()}
    found = source(events, history, items).without(np.array([[1, 2, 3]]), np.array([[False, True, False]]))
    np.testing.assert_allclose(found[0], [share[2], [0] * 3, (share[2] + share[4]) / 2], atol=1e-6)
    # and where nothing is left of it, it is as if it had not begun
    none = source(events, history, items).without(np.array([[1, 2, 3, 4]]), np.array([[True, True, True, False]]))
    np.testing.assert_allclose(none[0, 3], share[5], atol=1e-6)


def test_a_completed_window_moves_with_its_items() -> None:
    events, items = weeks(), topic_items([2, 3, 4, 5, 6, 7])
    history = topic_history(events, "week")
    share = {item: np.array(s, float) for item, s in items.rows()}
    past = np.array(history["share"][0], float)
    found = source(events, history, items).without(np.array([[1, 2, 3, 4]]), np.array([[True, False, False, False]]))
    moved = past + (share[3] + share[4]) / 2 - (share[2] + share[3] + share[4]) / 3
    moved = np.maximum(moved, 0) / np.maximum(moved, 0).sum()
    mass = math.exp(-0.3 * 2)
    np.testing.assert_allclose(found[0, 3], (mass * moved + share[5]) / (mass + 1), atol=1e-6)


def test_what_an_earlier_erasing_left_out_stays_out() -> None:
    events, items = weeks(), topic_items([2, 3, 4, 5, 6, 7])
    made_of = source(events, topic_history(events, "week"), items)
    once = made_of.without(np.array([[1, 2, 3, 4]]), np.array([[False, True, True, False]]))
    twice = made_of.without(np.array([[1, 3, 4]]), np.array([[False, True, False]]))
    np.testing.assert_allclose(twice[0, 2], once[0, 3], atol=1e-6)


def test_acts_that_are_alike_can_go_without_a_trace() -> None:
    events = split([(1, 2, MONDAY + timedelta(days=day)) for day in (0, 1, 7)])
    items = topic_items([2])
    history = topic_history(events, "week")
    whole_ET = topic_profiles(events, history, items, 0.3, "week")
    found = source(events, history, items).without(np.array([[1, 2, 3]]), np.array([[False, True, False]]))
    np.testing.assert_allclose(found[0, 2], whole_ET[2], atol=1e-6)


def test_nobody_has_done_anything_to_leave_out() -> None:
    events, items = weeks(), topic_items([2, 3])
    made_of = source(events, topic_history(events, "week"), items)
    assert made_of.without(np.zeros((2, 0), np.int64), np.zeros((2, 0), bool)).shape == (2, 0, TOPICS)
    assert not made_of.without(np.zeros((2, 3), np.int64), np.zeros((2, 3), bool)).any()
