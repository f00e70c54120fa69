"""Which parts weigh most, and what counts as found, on numbers done by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.measures import faithfulness as f

WEIGHT = np.array([[0.5, 0.1, 0.4, 9.0], [0.2, 0.2, 0.6, 0.0]])
VALID = np.array([[True, True, True, False], [True, True, True, True]])


def places(chosen: np.ndarray) -> list[list[int]]:
    return [np.flatnonzero(row).tolist() for row in chosen]


def test_padding_is_never_the_heaviest_or_the_lightest() -> None:
    assert places(f.heaviest(WEIGHT, VALID, 2)) == [[0, 2], [0, 2]]
    assert places(f.lightest(WEIGHT, VALID, 1)) == [[1], [3]]
    assert places(f.heaviest(WEIGHT, VALID, 4)) == [[0, 1, 2], [0, 1, 2, 3]]


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=2, max_size=8), st.integers(1, 4))
def test_the_heaviest_and_the_lightest_do_not_meet_even_among_equals(weights: list[float], k: int) -> None:
    weight = np.array([weights])
    valid = np.ones_like(weight, dtype=bool)
    heavy, light = f.heaviest(weight, valid, k), f.lightest(weight, valid, k)
    assert heavy.sum() == light.sum() == min(k, len(weights))
    if 2 * k <= len(weights):
        assert not (heavy & light).any()
    assert weight[heavy].min() >= weight[light].max() or 2 * k > len(weights)


def test_drawn_parts_are_valid_and_all_are_drawn_sometime() -> None:
    rng = np.random.default_rng(1)
    valid = np.tile(VALID[:1], (200, 1))
    chosen = f.drawn(valid, 1, rng)
    assert (chosen.sum(1) == 1).all()
    assert chosen.any(0).tolist() == [True, True, True, False]


def test_drop_has_a_sign_and_moved_has_none() -> None:
    whole, erased = np.array([1.0, 1.0]), np.array([0.25, 1.5])
    assert f.drop(whole, erased).tolist() == [0.75, -0.5]
    assert f.moved(whole, erased).tolist() == [0.75, 0.5]


def test_agreement_is_spearmans_over_valid_parts() -> None:
    effect = np.array([[3.0, 1.0, 2.0, -50.0], [4.0, 3.0, 2.0, 1.0]])
    found = f.agreement(WEIGHT, effect, VALID)
    assert found[0] == pytest.approx(1.0)
    # ranks 2.5, 2.5, 4, 1 against 4, 3, 2, 1
    assert found[1] == pytest.approx(1.5 / np.sqrt(4.5 * 5))


def test_agreement_of_a_constant_or_of_two_parts_is_unknown() -> None:
    flat, effect = np.ones((1, 4)), np.arange(4.0)[None]
    assert np.isnan(f.agreement(flat, effect, np.ones((1, 4), bool))).all()
    assert np.isnan(f.agreement(effect, effect, np.array([[True, True, False, False]]))).all()


def test_steadiness_leaves_out_what_neither_weighs() -> None:
    one, other = np.array([[0.0, 0.0, 0.0, 0.2, 0.3, 0.5]]), np.array([[0.0, 0.0, 0.0, 0.5, 0.3, 0.2]])
    every = np.ones((1, 6), dtype=bool)
    assert f.agreement(one, other, every)[0] > 0.5
    assert f.steadiness(one, other, every)[0] == pytest.approx(-1.0)
    # what one of them weighs counts: ranks 1 2 3 4 against 3 1 2 4
    assert f.steadiness(one, np.array([[0.0, 0.0, 0.3, 0.1, 0.2, 0.4]]), every)[0] == pytest.approx(0.4)


def test_found_shares_among_equals_and_knows_what_chance_would_reach() -> None:
    weight = np.array([[0.5, 0.5, 0.0, 0.9], [0.1, 0.2, 0.7, 0.0]])
    true = np.array([[True, False, False, True], [False, False, True, True]])
    assert f.found(weight, true, VALID).tolist() == [0.5, 1.0]
    assert f.chance(true, VALID).tolist() == pytest.approx([1 / 3, 0.5])


def test_nothing_to_find_is_unknown_not_a_miss() -> None:
    true = np.array([[False, False, False, True], [True, True, True, True]])
    assert np.isnan(f.found(WEIGHT, true, VALID)).all()
    assert np.isnan(f.chance(true, VALID)).all()


def test_weights_that_know_nothing_find_at_chance() -> None:
    rng = np.random.default_rng(2)
    weight, true = rng.random((4000, 6)), rng.random((4000, 6)) < 0.4
    valid = np.ones_like(true)
    assert np.nanmean(f.found(weight, true, valid)) == pytest.approx(np.nanmean(f.chance(true, valid)), abs=0.03)
