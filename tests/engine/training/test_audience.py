"""Who acted on an item before a moment, against a plain loop; categories as paths; errors of ratings."""

from dataclasses import replace
from pathlib import Path
from typing import final

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from engine.evaluation.rate import ROWS, Errors, rate, rates
from engine.tables import store
from engine.tables.arrays import event_columns
from engine.tables.schemas import ITEMS
from engine.training.audience import NEVER, Audience, Clock
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import Rater
from engine.training.interactions import Interactions
from engine.training.needs import Needs
from engine.training.schedule import Progressed
from engine.training.source import _catalog as read_catalog

events = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(-5, 8)), min_size=1, max_size=30)


@given(events, st.integers(1, 4), st.one_of(st.integers(-9, 12), st.just(NEVER)), st.integers(1, 5))
def test_the_last_before_a_moment(acts: list[tuple[int, int, int]], item: int, now: int, limit: int) -> None:
    item_E, user_E, time_E = (torch.tensor(column) for column in zip(*acts, strict=True))
    audience = Audience.of(item_E, user_E, time_E, None)
    start_X, stop_X = audience.cut(torch.tensor([item]), torch.tensor([now]), limit)
    known = sorted(
        ((t, place, u) for place, (i, u, t) in enumerate(acts) if i == item and t < now), key=lambda a: a[:2]
    )
    found = slice(int(start_X), int(stop_X))
    assert audience.user_E[found].tolist() == [u for _, _, u in known][-limit:]
    assert audience.time_E[found].tolist() == [t for t, _, _ in known][-limit:]
    clock = Clock.of(audience.clock.key_E // audience.clock.span, audience.time_E)
    assert torch.equal(clock.key_E, audience.clock.key_E)


def test_categories_are_numbered_by_name(tmp_path: Path) -> None:
    paths = [[["a", "b"], ["c"]], None, [], [["b", "a", "d"]]]
    frame = pl.DataFrame(
        {"item": [1, 2, 3, 4], "raw": list("wxyz"), "title": [None] * 4, "categories": paths, "ids": [None] * 4},
        schema=dict(ITEMS.columns),
    )
    store.write(frame, tmp_path / "items.parquet", ITEMS)
    tree = read_catalog({"categories": tmp_path / "items.parquet"}, 4, frozenset({"categories"})).categories
    assert tree.names == ("a", "b", "c", "d")
    path_YD, row_Y = tree.rows(torch.tensor([4, 2, 1]))
    assert path_YD.tolist() == [[2, 1, 4], [1, 2, 0], [3, 0, 0]]
    assert row_Y.tolist() == [0, 2, 2]
    none = frame.with_columns(pl.lit(None, dtype=frame["categories"].dtype).alias("categories"))
    store.write(none, tmp_path / "none.parquet", ITEMS)
    with pytest.raises(KeyError, match=r"no view 'categories' in .*set the model's features to none"):
        read_catalog({"categories": tmp_path / "none.parquet"}, 4, frozenset({"categories"}))
    with pytest.raises(KeyError, match="no view 'categories'"):
        Catalog(4).categories.rows(torch.tensor([1]))


@final
class Count(Rater):
    """Rates by how many events a user had before."""

    def __init__(self, bad: bool = False):
        super().__init__()
        self.bad = bad

    @property
    def needs(self) -> Needs:
        return Needs(length=9, predicts="rating")

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        return (batch.length_B / (0 if self.bad else 1))[:, None].expand(item_BK.shape)

    def rate(self, batch: Batch, item_B: Tensor) -> Tensor:
        return self.score(batch, item_B[:, None])[:, 0]


def rated(users: int = 1) -> Interactions:
    frame = pl.DataFrame(
        {
            "user": np.repeat(np.arange(1, users + 1), 5),
            "item": [1, 2, 3, 4, 5] * users,
            "rating": pl.Series([1.0, 3.0, 2.0, 1.0, 2.0] * users, dtype=pl.Float32),
            "time": pl.from_epoch(pl.Series(list(range(5)) * users)).cast(pl.Datetime("us", "UTC")),
        }
    )
    return Interactions.of(event_columns(frame), 5)


def test_errors_are_clipped_to_what_training_gave() -> None:
    events = rated()
    errors = Errors.of(Count(), events, events, torch.tensor([0, 1, 4]))
    # predicted 0, 1, 4, clipped to 1, 1, 3; given 1, 3, 2
    assert errors.squared_E.tolist() == [0, 4, 1]
    assert errors.mae == 1
    assert errors.rmse == pytest.approx((5 / 3) ** 0.5)
    assert rate(Count(), events, torch.tensor([4, 0])).tolist() == [4, 0]
    assert rates(Count())
    many = rated(ROWS)
    assert rate(Count(), many, torch.arange(len(many))).tolist() == [0, 1, 2, 3, 4] * ROWS


def test_what_cannot_be_measured_is_refused() -> None:
    events = rated()
    with pytest.raises(ValueError, match="no events to predict the ratings of"):
        Errors.of(Count(), events, events, torch.tensor([], dtype=torch.long))
    with pytest.raises(FloatingPointError, match="not a finite number"):
        rate(Count(bad=True), events, torch.tensor([1]))


def test_pairs_carry_ratings_where_they_are_asked_for() -> None:
    events = rated()
    batch = events.pairs(
        torch.tensor([0, 3]), Needs(length=2, ratings=True, predicts="rating", item_length=1, pairs=True)
    )
    assert batch.rating_BL is not None
    assert batch.rated_B is not None
    assert batch.rating_BL.tolist() == [[0, 0], [3, 2]]
    assert batch.rated_B.tolist() == [1, 1]
    assert events.pairs(torch.tensor([3])).rated_B is None
    last = events.before(torch.tensor([1]), torch.tensor([5]), Needs(length=5, item_length=1))
    assert last.now_B is not None
    assert last.now_B.tolist() == [NEVER]
    assert last.item_BL.tolist() == [[1, 2, 3, 4, 5]]


def test_the_moment_and_the_histories_of_items_may_be_others() -> None:
    """A person who is not in the data is asked about at any moment, beside those who are."""
    known = rated()
    assert known.time_E is not None
    alone = replace(known, train_E=torch.zeros(len(known), dtype=torch.bool), others=known.audience)
    needs, user_B, end_B = Needs(length=5, item_length=2), torch.tensor([1]), torch.tensor([5])
    now_B = known.time_E[3:4]
    batch = alone.before(user_B, end_B, needs, now_B)
    assert batch.audience is known.audience
    assert batch.now_B is not None
    assert batch.now_B.tolist() == now_B.tolist()
    assert batch.item_BL.tolist() == [[1, 2, 3]]  # what happened at the moment, or after it, has not been
    asked = alone.before(user_B, end_B, Needs(length=5, now=True), now_B)
    assert asked.now_B is not None
    assert asked.now_B.tolist() == now_B.tolist()


def test_a_reading_below_zero_may_be_the_best() -> None:
    """The negative RMSE selects: a run whose readings are all below zero still keeps a state."""
    assert Progressed().best < -1e9
