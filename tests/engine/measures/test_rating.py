"""Errors of predicted ratings."""

import numpy as np
import pytest

from engine.measures.rating import absolute_error, rmse, squared_error


def test_by_hand() -> None:
    squared = squared_error([3.0, 5.0, 1.0], [4.0, 3.0, 1.0])
    assert squared.tolist() == [1, 4, 0]
    assert rmse(squared) == pytest.approx(np.sqrt(5 / 3))
    assert absolute_error([3.0, 5.0], [4.0, 3.0]).tolist() == [1, 2]


def test_a_prediction_is_clipped_to_the_scale_and_the_rating_is_not() -> None:
    assert squared_error([9.0, -2.0], [5.0, 0.0], (1.0, 5.0)).tolist() == [0, 1]


def test_each_rating_has_its_prediction() -> None:
    with pytest.raises(ValueError, match=r"\(1,\) predictions, \(2,\) ratings"):
        squared_error([1.0], [1.0, 2.0])
