"""Paired tests: they find what is there, and what is not there only as often as they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from engine.measures.significance import bootstrap, holm, randomisation, t_test


def pair(shift: float, cases: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    second = generator.normal(size=cases)
    return second + shift + generator.normal(size=cases), second


def test_the_t_test_is_scipys() -> None:
    first, second = pair(0.2)
    found = t_test(first, second)
    assert found.p == pytest.approx(stats.ttest_rel(first, second).pvalue)
    assert found.difference == pytest.approx((first - second).mean())
    assert found.effect == pytest.approx((first - second).mean() / (first - second).std(ddof=1))
    assert found.cases == 200


def test_the_three_agree_on_well_behaved_differences() -> None:
    first, second = pair(0.17, seed=3)
    expected = t_test(first, second).p
    assert 0.001 < expected < 0.1
    assert randomisation(first, second).p == pytest.approx(expected, abs=0.01)
    verdict, interval = bootstrap(first, second)
    assert verdict.p == pytest.approx(expected, abs=0.01)
    assert interval[0] < verdict.difference < interval[1]


@pytest.mark.parametrize("test", [t_test, randomisation, lambda a, b: bootstrap(a, b)[0]])
def test_two_sided_and_at_its_level_where_there_is_nothing(test) -> None:  # type: ignore[no-untyped-def]
    first, second = pair(0.5)
    assert test(first, second).p == pytest.approx(test(second, first).p, abs=2e-3)
    assert test(first, second).p < 0.001
    assert test(first, first).p == 1
    assert test(first, first).effect == 0
    alarms = [test(*pair(0.0, 30, seed)).p < 0.1 for seed in range(150)]
    assert 0.03 < np.mean(alarms) < 0.19


@pytest.mark.parametrize("first_B", [np.ones(5), np.array([0.1, 0.2, 0.3, 0.7, 1.1]) + 0.1])
def test_a_difference_that_never_varies_is_worth_its_signs(first_B: np.ndarray) -> None:
    found = t_test(first_B, first_B - 0.1)
    assert (found.p, found.effect) == (2 / 2**5, np.inf)


def test_all_signs_of_three_cases() -> None:
    assert randomisation([1.0, 2.0, 3.0], [0.0, 0.0, 0.0]).p == pytest.approx(2 / 8, abs=0.02)


def test_the_seed_decides() -> None:
    first, second = pair(0.1)
    assert randomisation(first, second, seed=5) == randomisation(first, second, seed=5)


@settings(max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_only_raises(p: list[float]) -> None:
    corrected = holm(p)
    assert (corrected >= np.array(p)).all()
    assert (corrected <= 1).all()
    assert (np.diff(corrected[np.argsort(p)]) >= 0).all()
    assert corrected.min() == pytest.approx(min(1.0, len(p) * min(p)))


def test_holm_by_hand() -> None:
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize(("first", "second"), [([1.0], [2.0]), ([1.0, 2.0], [1.0]), ([1.0, np.nan], [1.0, 2.0])])
def test_what_is_not_paired_is_refused(first: list[float], second: list[float]) -> None:
    with pytest.raises(ValueError, match="a paired test needs"):
        t_test(first, second)
