"""Ranks from counts, and the measures of one relevant item a case."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.measures.ranking import auc, hr, mrr, ndcg, positions, recall

scores = st.lists(st.integers(-3, 3), min_size=2, max_size=30)


def counts(score: list[int]) -> tuple[int, int, int]:
    """Of the first number among the rest: greater, ties, others."""
    own, rest = score[0], score[1:]
    return sum(s > own for s in rest), sum(s == own for s in rest), len(rest)


@given(scores)
def test_the_rank_is_where_sorting_puts_the_target(score: list[int]) -> None:
    greater, ties, others = counts(score)
    descending = sorted(score, reverse=True)
    first, last = descending.index(score[0]) + 1, len(descending) - descending[::-1].index(score[0])
    assert positions(greater, ties, "optimistic") == first
    assert positions(greater, ties, "pessimistic") == last
    assert positions(greater, ties) == (first + last) / 2
    assert 1 <= first <= last <= others + 1


@given(scores)
def test_auc_is_the_share_of_pairs_in_the_right_order(score: list[int]) -> None:
    own, rest = score[0], score[1:]
    pairs = np.mean([1.0 if own > s else 0.5 if own == s else 0.0 for s in rest])
    assert auc(*([value] for value in counts(score)))[0] == pytest.approx(pairs)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=40), st.integers(1, 50))
def test_measures_lie_between_0_and_1_and_grow_with_k(rank: list[int], k: int) -> None:
    for measure in (hr, recall, ndcg, mrr):
        value, more = measure(rank, k), measure(rank, k + 1)
        assert ((value >= 0) & (value <= 1)).all()
        assert (more >= value).all()
        assert (measure(np.array(rank) + 1, k) <= value).all()
    assert (ndcg(rank, k) <= hr(rank, k)).all()
    assert (mrr(rank, k) <= ndcg(rank, k)).all()


def test_by_hand() -> None:
    rank = [1, 2, 3, 11]
    assert hr(rank, 2).tolist() == [1, 1, 0, 0]
    np.testing.assert_allclose(ndcg(rank, 10), [1, 1 / np.log2(3), 0.5, 0])
    np.testing.assert_allclose(mrr(rank, 10), [1, 1 / 2, 1 / 3, 0])
    np.testing.assert_allclose(mrr(rank), [1, 1 / 2, 1 / 3, 1 / 11])
    np.testing.assert_allclose(auc([0, 1, 2], [0, 0, 2], [4, 4, 4]), [1, 0.75, 0.25])


def test_a_constant_scorer_is_at_chance_and_never_better() -> None:
    others = np.full(50, 99, dtype=np.uint32)
    nothing = np.zeros(50, dtype=np.uint32)
    assert auc(nothing, others, others).mean() == 0.5
    assert positions(nothing, others).mean() == 50.5
    for k in (1, 10, 20):
        assert hr(positions(nothing, others), k).mean() <= k / 100
        assert hr(positions(nothing, others, "pessimistic"), k).mean() == 0
    assert hr(positions(nothing, others, "optimistic"), 1).mean() == 1  # why the rule has a name


def test_no_rivals_no_auc() -> None:
    assert np.isnan(auc([0], [0], [0])).all()


def test_an_unknown_rule_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"no tie rule 'hopeful'; there are .*expected"):
        positions([0], [0], "hopeful")  # type: ignore[arg-type]
