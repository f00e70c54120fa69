"""Ranks by counting against a plain sort, for each ability that a model may have."""

from typing import final

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engine.evaluation.rank import rank
from engine.measures.ranking import hr, positions
from engine.tables.arrays import case_columns, event_columns
from engine.tables.schemas import SPLIT
from engine.training.batch import Batch
from engine.training.cases import Cases, by_length
from engine.training.contract import CatalogScorer, Factored, Recommender
from engine.training.interactions import Interactions
from engine.training.needs import Needs

ITEMS = 5000  # more than two blocks


def split(histories: list[list[int]]) -> pl.DataFrame:
    rows = [(u, p, i, None, "train", None) for u, h in enumerate(histories, 1) for p, i in enumerate(h)]
    return pl.DataFrame(rows, schema=dict(SPLIT.columns), orient="row")


@final
class Dot(Factored):
    def __init__(self, key_ND: Tensor):
        super().__init__()
        self.key_ND = key_ND

    @property
    def needs(self) -> Needs:
        return Needs(length=3)

    def query(self, batch: Batch) -> Tensor:
        return self.key_ND[batch.item_BL].sum(1)

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        return self.key_ND if item_U is None else self.key_ND[item_U]

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        return self.score_all(batch).gather(1, item_BK)


@final
class Whole(CatalogScorer):
    def __init__(self, dot: Dot):
        super().__init__()
        self.dot = dot

    @property
    def needs(self) -> Needs:
        return self.dot.needs

    def score_all(self, batch: Batch) -> Tensor:
        return self.dot.score_all(batch)

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        return self.dot.score(batch, item_BK)


class Wrapped(Recommender):
    def __init__(self, dot: Dot):
        super().__init__()
        self.dot = dot

    @property
    def needs(self) -> Needs:
        return self.dot.needs

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        return self.dot.score(batch, item_BK)


@final
class Asked(Wrapped):
    pass


def whole_numbers(generator: np.random.Generator) -> Tensor:
    """Keys of small whole numbers: sums are exact, so that ties are ties in every order of summing."""
    key_ND = torch.from_numpy(generator.integers(-2, 3, (ITEMS + 1, 4)).astype(np.float32))
    key_ND[0] = 0  # padding adds nothing to a query
    return key_ND


@given(st.integers(0, 2**32 - 1), st.sampled_from(["excluded", "kept"]))
@settings(max_examples=15, deadline=None)
def test_counts_are_those_of_a_plain_comparison(seed: int, seen: str) -> None:
    generator = np.random.default_rng(seed)
    histories = [generator.integers(1, ITEMS + 1, n).tolist() for n in generator.integers(1, 9, 6)]
    events = Interactions.of(event_columns(split(histories)), ITEMS)
    user = generator.integers(1, 7, 10)
    position = np.array([generator.integers(0, len(histories[u - 1]) + 1) for u in user])
    target = generator.integers(1, ITEMS + 1, 10)
    cases = Cases(*(torch.from_numpy(a) for a in (user, position, target)))
    dot = Dot(whole_numbers(generator)).eval()
    for model in (dot, Whole(dot), Asked(dot)):
        counts = rank(model, cases, events, seen, rows=4)  # type: ignore[arg-type]
        for n in range(10):
            past = histories[user[n] - 1][: position[n]]
            batch = events.before(cases.user_C[n : n + 1], cases.position_C[n : n + 1], dot.needs)
            score = dot.score_all(batch)[0].numpy()
            gone = {0, int(target[n]), *(past if seen == "excluded" else [])}
            rivals = np.array([i for i in range(ITEMS + 1) if i not in gone])
            assert counts.greater[n] == (score[rivals] > score[target[n]]).sum()
            assert counts.ties[n] == (score[rivals] == score[target[n]]).sum()
            assert counts.others[n] == len(rivals)


def test_frozen_candidates_alone_are_rivals_and_the_target_is_none() -> None:
    dot = Dot(torch.arange(ITEMS + 1, dtype=torch.float32)[:, None]).eval()
    events = Interactions.of(event_columns(split([[1, 2], [3]])), ITEMS)
    frame = pl.DataFrame(
        {"user": [1, 2], "position": [2, 1], "target": [10, 20], "candidates": [[5, 11, 12, 10], [19]]},
        schema_overrides={"candidates": pl.List(pl.UInt32)},
    )
    counts = rank(dot, Cases.of(case_columns(frame)), events)
    assert counts.greater.tolist() == [2, 0]
    assert counts.ties.tolist() == [0, 0]
    assert counts.others.tolist() == [3, 1]


def test_a_constant_scorer_is_at_chance() -> None:
    events = Interactions.of(event_columns(split([[1, 2, 3]])), 99)
    counts = rank(Dot(torch.zeros(100, 2)).eval(), Cases(*(torch.tensor([v]) for v in (1, 3, 50))), events, "kept")
    place = positions(counts.greater, counts.ties)
    assert place.tolist() == [50.0]
    assert hr(place, 10).sum() == 0


def test_a_score_that_is_no_number_stops_the_ranking() -> None:
    events = Interactions.of(event_columns(split([[1, 2, 3]])), 99)
    with pytest.raises(FloatingPointError, match="not a finite number"):
        rank(Dot(torch.full((100, 2), float("nan"))), Cases(*(torch.tensor([v]) for v in (1, 3, 50))), events)


def test_histories_of_like_length_are_read_together() -> None:
    """A long history among short ones makes one block wide, not all; what is longer than is read counts as read."""
    histories = [[1] * n for n in (1, 3, 1, 9, 1, 3)]
    events = Interactions.of(event_columns(split(histories)), ITEMS)
    blocks = by_length(torch.tensor([1, 3, 1, 9, 1, 3]), 3, 2)
    assert [block.tolist() for block in blocks] == [[0, 2], [4, 1], [3, 5]]
    assert [block.tolist() for block in by_length(torch.tensor([5, 1, 3]), 0, 2)] == [[0, 1], [2]]
    widths = []

    @final
    class Watched(Wrapped):
        def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
            widths.append(batch.item_BL.shape[1])
            return super().score(batch, item_BK)

    user_C = torch.arange(1, 7)
    cases = Cases(user_C, torch.tensor([1, 3, 1, 9, 1, 3]), user_C + 9, (user_C + 10)[:, None])
    rank(Watched(Dot(torch.ones(ITEMS + 1, 2))), cases, events, rows=2)
    assert widths == [1, 3, 3]


@final
class Shaky(Recommender):
    """All items score alike, but for the last bits, which hang on how many are asked at once."""

    @property
    def needs(self) -> Needs:
        return Needs(length=3)

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        eps = torch.finfo(torch.float32).eps
        return torch.full(item_BK.shape, 3.5 * (1 + eps * (item_BK.shape[1] % 3)))


def test_rounding_parts_no_pairs_that_score_alike() -> None:
    columns = event_columns(split([[1, 2, 3, 4]]))
    events = Interactions.of(columns, ITEMS)
    cases = Cases(torch.tensor([1]), torch.tensor([3]), torch.tensor([4]))
    counts = rank(Shaky(), cases, events)
    assert (counts.greater.tolist(), counts.ties.tolist()) == ([0], [ITEMS - 4])
