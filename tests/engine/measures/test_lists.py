"""Measures of lists on numbers done by hand."""

import numpy as np
import pytest

from engine.measures import lists

SHOWN = np.array([[1, 2, 3], [1, 4, 0]])


def test_coverage_counts_each_item_once_and_padding_never() -> None:
    assert lists.coverage(SHOWN, 8) == 0.5


def test_gini_is_zero_where_all_are_shown_alike_and_near_one_where_one_is() -> None:
    assert lists.gini([[1, 2], [3, 4]], 4) == 0
    assert lists.gini([[7]] * 5, 10) == pytest.approx(0.9)
    # counts 0 1 1 2 of four items: (-3 * 0 - 1 * 1 + 1 * 1 + 3 * 2) / (4 * 4)
    assert lists.gini([[4, 2], [4, 3]], 4) == pytest.approx(6 / 16)


def test_novelty_popularity_and_cold_items_by_hand() -> None:
    people = np.array([99, 3, 1, 0, 7])  # place 0 is padding
    assert lists.popularity(SHOWN, people) == pytest.approx([4 / 3, 5])
    assert lists.cold(SHOWN, people) == pytest.approx([1 / 3, 0])
    assert lists.novelty(SHOWN, people, 7) == pytest.approx([(1 + 2 + 3) / 3, (1 + 0) / 2])


def test_a_list_without_items_has_no_value() -> None:
    for value in (lists.popularity([[0, 0]], [0, 1]), lists.category_diversity([[1, 0]], np.ones((2, 1)))):
        assert np.isnan(value).all()
    assert np.isnan(lists.gini([[0, 0]], 4))


def test_diversity_over_categories_is_the_mean_distance_of_pairs_that_have_some() -> None:
    member = np.array([[0, 0, 0], [1, 1, 0], [0, 1, 1], [0, 0, 0], [1, 1, 0]])
    # 1 and 2 share one of three; 3 has none; 1 and 4 share all
    assert lists.category_diversity(SHOWN, member) == pytest.approx([2 / 3, 0])


def test_diversity_over_features_is_one_minus_the_cosine() -> None:
    vector = np.array([[9, 9], [1, 0], [0, 3], [0, 0], [-2, 0]])
    assert lists.feature_diversity(SHOWN, vector) == pytest.approx([1, 2])


def test_long_tables_are_gone_through_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(1)
    shown, vector = generator.integers(0, 30, (50, 6)), generator.normal(size=(30, 4))
    whole = lists.feature_diversity(shown, vector)
    monkeypatch.setattr(lists, "CELLS", 100)
    assert lists.feature_diversity(shown, vector) == pytest.approx(whole, nan_ok=True)
