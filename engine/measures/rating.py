"""Measures of predicted ratings, one value a case; the caller averages."""

import numpy as np
from numpy.typing import ArrayLike

from engine.measures.ranking import Values


def squared_error(predicted_B: ArrayLike, rating_B: ArrayLike, bounds: tuple[float, float] | None = None) -> Values:
    """Squared difference of each prediction, clipped to `bounds` where given, from the rating."""
    return _difference(predicted_B, rating_B, bounds) ** 2


def absolute_error(predicted_B: ArrayLike, rating_B: ArrayLike, bounds: tuple[float, float] | None = None) -> Values:
    """Absolute difference of each prediction, clipped to `bounds` where given, from the rating."""
    return np.abs(_difference(predicted_B, rating_B, bounds))


def rmse(squared_B: ArrayLike) -> float:
    """The root of the mean of squared errors."""
    return float(np.sqrt(np.mean(np.asarray(squared_B, dtype=np.float64))))


def _difference(predicted_B: ArrayLike, rating_B: ArrayLike, bounds: tuple[float, float] | None) -> Values:
    predicted, rating = np.asarray(predicted_B, dtype=np.float64), np.asarray(rating_B, dtype=np.float64)
    if predicted.shape != rating.shape:
        raise ValueError(f"a prediction for each rating: {predicted.shape} predictions, {rating.shape} ratings")
    return (predicted if bounds is None else predicted.clip(*bounds)) - rating
