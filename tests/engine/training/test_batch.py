"""Rows cut from flat arrays are those that a plain loop makes."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.tables.arrays import event_columns
from engine.tables.lacking import Lacking
from engine.training.batch import Batch
from engine.training.interactions import Interactions
from engine.training.needs import Needs

START = datetime(2020, 1, 1, tzinfo=UTC)
histories = st.lists(st.lists(st.integers(1, 20), min_size=1, max_size=12), min_size=1, max_size=6)


def table(histories: list[list[int]], timed: bool = True) -> pl.DataFrame:
    """A split table; event number e happens e hours after the start."""
    count = sum(map(len, histories))
    return pl.DataFrame(
        {
            "user": [u for u, items in enumerate(histories, 1) for _ in items],
            "item": [item for items in histories for item in items],
            "time": [START + timedelta(hours=e) if timed else None for e in range(1, count + 1)],
        },
        schema={"user": pl.UInt32, "item": pl.UInt32, "time": pl.Datetime("us", "UTC")},
    )


def events(histories: list[list[int]], topics: bool = False, timed: bool = True) -> Interactions:
    count = sum(map(len, histories))
    topic = np.arange(2 * (count + 1), dtype=np.float16).reshape(-1, 2) if topics else None
    return Interactions.of(event_columns(table(histories, timed)), 20, topic)


@given(histories, st.integers(1, 8), st.data())
def test_a_row_is_the_last_events_before_a_position(
    histories: list[list[int]], length: int, data: st.DataObject
) -> None:
    cut = [data.draw(st.integers(0, len(items))) for items in histories]
    user_B = torch.arange(1, len(histories) + 1)
    batch = events(histories, topics=True).before(
        user_B, torch.tensor(cut), Needs(length=length, times=True, topics=True)
    )
    assert batch.time_BL is not None
    assert batch.topic_BLT is not None
    first = 1
    for row, items in enumerate(histories):
        start = max(cut[row] - length, 0)
        kept = items[start : cut[row]]
        numbers = list(range(first + start, first + cut[row]))
        padding = [0] * (batch.item_BL.shape[1] - len(kept))
        assert batch.item_BL[row].tolist() == kept + padding
        assert batch.length_B[row] == len(kept)
        assert batch.valid_BL[row].tolist() == [True] * len(kept) + [False] * len(padding)
        assert batch.event_BL[row].tolist() == numbers + padding
        hours = [int((START + timedelta(hours=n)).timestamp()) for n in numbers]
        assert batch.time_BL[row].tolist() == hours + padding
        assert batch.topic_BLT[row, :, 0].tolist() == [2 * n for n in numbers] + padding
        first += len(items)
    assert batch.item_BL.shape[1] == max(1, min(length, max(cut)))


@given(histories, st.integers(1, 8))
def test_each_target_is_the_next_item(histories: list[list[int]], length: int) -> None:
    known = events(histories)
    user_B = torch.arange(1, len(histories) + 1)
    start_B, stop_B = known.offset_U[user_B], known.offset_U[user_B + 1] - 1
    batch = known.targets(start_B, stop_B, Needs(length=length))
    assert batch.target_BL is not None
    for row, items in enumerate(histories):
        inputs = items[:-1][-length:]
        pairs = list(zip(batch.item_BL[row].tolist(), batch.target_BL[row].tolist(), strict=True))
        expected = list(zip(inputs, items[1:][-length:] if inputs else [], strict=True))
        assert pairs == expected + [(0, 0)] * (len(pairs) - len(expected))
        assert batch.user_B[row] == row + 1


@given(histories)
def test_pairs_are_events_without_history(histories: list[list[int]]) -> None:
    known = events(histories)
    batch = known.pairs(torch.arange(len(known)))
    assert batch.target_BL is not None
    assert batch.item_BL.shape == (len(known), 0)
    found = list(zip(batch.user_B.tolist(), batch.target_BL[:, 0].tolist(), strict=True))
    assert found == [(u, item) for u, items in enumerate(histories, 1) for item in items]


@given(histories, st.integers(1, 4))
def test_last_is_the_state_of_the_last_event(histories: list[list[int]], length: int) -> None:
    known = events(histories)
    cut_B = torch.tensor([len(items) // 2 for items in histories])
    batch = known.before(torch.arange(1, len(histories) + 1), cut_B, Needs(length=length))
    state_BLD = torch.randn(*batch.item_BL.shape, 3)
    for row, last_D in enumerate(batch.last(state_BLD)):
        count = int(batch.length_B[row])
        assert torch.equal(last_D, state_BLD[row, count - 1] if count else torch.zeros(3))


def test_users_without_events_have_empty_rows() -> None:
    frame = table([[1, 2, 3], [4], [5, 6]]).filter(pl.col("user") != 2)
    known = Interactions.of(event_columns(frame), 20)
    batch = known.before(torch.tensor([2, 3]), torch.tensor([0, 2]), Needs(length=5))
    assert batch.item_BL.tolist() == [[0, 0], [5, 6]]


def test_events_keep_the_numbers_that_they_were_given() -> None:
    frame = table([[1, 2, 3]]).with_row_index("event", offset=1).filter(pl.col("item") != 2)
    assert Interactions.of(event_columns(frame), 20).event_E.tolist() == [1, 3]


def test_where_some_events_lack_a_rating_none_is_read() -> None:
    frame = table([[1, 2, 3]]).with_columns(rating=pl.Series([4.0, None, 5.0], dtype=pl.Float32))
    with pytest.raises(Lacking, match="these events have none, or some of them lack one"):
        Interactions.of(event_columns(frame), 20).rated(torch.tensor([0]))


def test_no_times_no_topics_no_silence() -> None:
    known = events([[1, 2]], timed=False)
    one = torch.tensor([1])
    assert known.time_E is None
    with pytest.raises(Lacking, match="uses times, and these events have none"):
        known.before(one, one, Needs(length=3, times=True))
    with pytest.raises(Lacking, match=r"topics, and there are none; set contents\.<content>\.topics\.method"):
        known.before(one, one, Needs(length=3, topics=True))
    assert known.before(one, one, Needs(length=3)).time_BL is None


def test_no_events_at_all() -> None:
    known = Interactions.of(event_columns(table([[1]]).clear()), 20)
    assert len(known) == 0
    assert known.users == 0


def test_a_batch_with_something_changed_is_another() -> None:
    empty = torch.zeros(1, 0, dtype=torch.long)
    batch = Batch(torch.tensor([1]), empty, torch.tensor([0]), empty)
    assert batch.but(user_B=torch.tensor([2])).user_B.item() == 2
    assert batch.user_B.item() == 1
