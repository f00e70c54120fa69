"""What a ranking of parts claims, on numbers done by hand."""

import numpy as np
import pytest

from engine.measures import claims

WEIGHT = np.array([[0.5, 0.1, 0.4, 9.0], [0.2, -0.2, 0.6, 0.0]])
VALID = np.array([[True, True, True, False], [True, True, True, True]])


def places(chosen: np.ndarray) -> list[list[int]]:
    return [np.flatnonzero(row).tolist() for row in chosen]


def test_a_share_is_rounded_up_and_of_each_case_s_own_parts() -> None:
    assert places(claims.heaviest_share(WEIGHT, VALID, 0.01)) == [[0], [2]]
    # half of three is two, half of four is two and not three
    assert places(claims.heaviest_share(WEIGHT, VALID, 0.5)) == [[0, 2], [0, 2]]
    assert places(claims.heaviest_share(WEIGHT, VALID, 0.75)) == [[0, 1, 2], [0, 2, 3]]


def test_ten_percent_of_twenty_are_two_in_spite_of_rounding() -> None:
    weight = np.arange(20.0)[None]
    assert claims.heaviest_share(weight, np.ones_like(weight, bool), 0.1).sum() == 2
    assert claims.heaviest_share(weight, np.ones_like(weight, bool), 0.05).sum() == 1


def test_the_area_is_the_mean_over_the_shares() -> None:
    assert claims.area(np.array([[1.0, 0.0], [2.0, 0.5], [6.0, 1.0]])).tolist() == [3.0, 0.5]


def test_necessity_and_sufficiency_go_by_the_first_place_and_a_tie_is_not_first() -> None:
    rank = np.array([1.0, 1.5, 4.0])
    assert claims.necessary(rank).tolist() == [0.0, 1.0, 1.0]
    assert claims.sufficient(rank).tolist() == [1.0, 0.0, 0.0]
    none = np.array([np.nan, np.nan])
    assert np.isnan([claims.necessary(none), claims.sufficient(none), claims.smallest_deciding(none[None])]).all()


def test_the_smallest_deciding_set_is_the_first_that_unseats() -> None:
    rank = np.array([[1.0, 3.0, 1.0, 1.0], [1.0, 1.0, 2.0, 1.0], [5.0, 4.0, 1.0, 1.0]])
    assert claims.smallest_deciding(rank).tolist() == [3.0, 1.0, 2.0, 4.0]


def test_gini_of_sizes() -> None:
    # sizes .1 .4 .5: (-2 × .1 + 0 × .4 + 2 × .5) / (3 × 1)
    # sizes 0 .2 .2 .6: (-3 × 0 - 1 × .2 + 1 × .2 + 3 × .6) / (4 × 1)
    assert claims.gini(WEIGHT, VALID).tolist() == pytest.approx([0.8 / 3, 1.8 / 4])
    assert claims.gini(np.full((1, 4), -3.0), np.ones((1, 4), bool)).tolist() == pytest.approx([0.0])
    assert np.isnan(claims.gini(np.zeros((2, 4)), np.array([[True] * 4, [False] * 4]))).all()


def test_entropy_is_1_of_equals_and_0_of_one() -> None:
    weight = np.array([[2.0, -2.0, 2.0, 7.0], [0.0, 5.0, 0.0, 0.0], [1.0, 3.0, 0.0, 0.0]])
    valid = np.array([[True, True, True, False], [True] * 4, [True, True, False, False]])
    by_hand = (np.log(4) / 4 + 0.75 * np.log(4 / 3)) / np.log(2)
    assert claims.entropy(weight, valid).tolist() == pytest.approx([1.0, 0.0, by_hand])
    assert np.isnan(claims.entropy(np.array([[3.0, 1.0], [0.0, 0.0]]), np.array([[True, False], [True, True]]))).all()


def test_the_cases_of_a_person_are_one_draw() -> None:
    value, person = np.array([1.0, 1.0, 0.0, 0.0]), np.array([7, 7, 3, 3])
    # two people, each 2 × .5 from the mean; four would be four times .5
    assert claims.half_interval(value, person) == pytest.approx(1.96 * np.sqrt(2) / 4)
    assert claims.half_interval(value, np.arange(4)) == pytest.approx(1.96 * 1 / 4)
    assert np.isnan(claims.half_interval(value, np.full(4, 7)))
    assert claims.by_group(value, person).tolist() == [0.0, 2.0]
