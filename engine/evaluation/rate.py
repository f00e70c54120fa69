"""Model and events to how far its ratings lie from those that were given."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.measures.rating import absolute_error, rmse, squared_error
from engine.training.cases import by_length
from engine.training.contract import Rater, Recommender
from engine.training.interactions import Interactions

ROWS = 1024


@torch.no_grad()
def rate(model: Rater, events: Interactions, place_E: Tensor) -> np.ndarray:
    """The predicted ratings of some events, each from what was before it.

    Raises:
        FloatingPointError: a rating is not a number.
    """
    model.eval()
    rating_E = torch.zeros(len(place_E), device=place_E.device)
    position_E = place_E - events.offset_U[events.user_E[place_E]]
    for part in by_length(position_E, model.needs.length, ROWS):
        place_B = place_E[part]
        batch = events.before(events.user_E[place_B], position_E[part], model.needs)
        rating_B = model.rate(batch, events.item_E[place_B]).float()
        if not bool(torch.isfinite(rating_B).all()):
            raise FloatingPointError("a predicted rating is not a finite number: train with a lower lr")
        rating_E[part] = rating_B
    return rating_E.cpu().numpy()


@dataclass(frozen=True)
class Errors:
    """One value an event: squared and absolute differences of ratings, clipped to the range of those in training."""

    squared_E: np.ndarray
    absolute_E: np.ndarray

    @staticmethod
    def of(model: Rater, train: Interactions, events: Interactions, place_E: Tensor) -> "Errors":
        """The errors over some events.

        Raises:
            ValueError: there are none, or they have no ratings.
        """
        if not len(place_E):
            raise ValueError("no events to predict the ratings of: the protocol leaves none in this part")
        known_E = train.rated(torch.arange(len(train), device=train.item_E.device))
        bounds = (float(known_E.min()), float(known_E.max()))
        given_E, found_E = events.rated(place_E).cpu().numpy(), rate(model, events, place_E)
        return Errors(squared_error(found_E, given_E, bounds), absolute_error(found_E, given_E, bounds))

    @property
    def rmse(self) -> float:
        """The root of the mean square."""
        return rmse(self.squared_E)

    @property
    def mae(self) -> float:
        """The mean."""
        return float(self.absolute_E.mean())


def rates(model: Recommender) -> bool:
    """Whether what the model was fitted to is ratings, so that its scores are some."""
    return isinstance(model, Rater) and model.needs.predicts == "rating"
