"""MF: a rating is a mean, two biases and a product of factors (Koren, Bell and Volinsky, IEEE Computer 2009).

rating = m + b_u + b_i + p_u · q_i (`bias: full`) or p_u · q_i (`bias: none`); the sum over ratings of
(r - rating)^2 + penalty (|p_u|^2 + |q_i|^2 + b_u^2 + b_i^2) is lowered, so that who has c ratings is pulled c times.
`solver: sgd` takes a step for each rating, b_u += rate (e - penalty b_u), p_u += rate (e q_i - penalty p_u) and so on
with old values on the right; `als` solves for all people, then for all items, each row with its bias in one equation.

**Departs from the paper:** nothing in the equations. In each epoch ratings come in a random order, person by person
(Surprise's is fixed). Without biases factors begin around sqrt(m / dim): from 0 they would never leave it where ratings
are few. Of who or what has no rating nothing is known: its bias and factors are 0, and without biases the rating is
then the mean, as Surprise has it. `epochs` and `penalty` may be lists: validation chooses by the lowest RMSE.
"""

from typing import Annotated, Literal, final

import numpy as np
import torch
from numba import njit
from pydantic import Field
from torch import Tensor

from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.choices import combinations
from engine.training.contract import Factored, Rater, Tuned
from engine.training.interactions import Interactions
from engine.training.needs import Needs, Settings
from models.blocks import ridge
from models.blocks.chosen import Chosen
from models.blocks.descent import Ratings, dot, drawn_seed, unless_rated
from models.blocks.shared_settings import Counts, Dim

Positive = Annotated[float, Field(gt=0)]


class Config(Settings):
    """Width, biases, and how they are fitted."""

    dim: Dim = 50
    bias: Literal["full", "none"] = Field(
        "full", description="mean and biases beside the product, or the product alone"
    )
    solver: Literal["sgd", "als"] = Field("sgd", description="steps a rating, or least squares in turns")
    epochs: Counts = Field((20, 40, 80), description="passes over the ratings; or a list to choose from")
    penalty: Positive | Annotated[tuple[Positive, ...], Field(min_length=1)] = Field(
        (0.05, 0.1, 0.15), description="weight of squares, once a rating; or a list to choose from"
    )
    rate: float = Field(0.005, gt=0, description="of the steps of sgd")
    deviation: float = Field(0.1, gt=0, description="of the first factors")

    @property
    def choices(self) -> list[dict[str, float]]:
        """Combinations of the settings that may be lists."""
        return combinations(epochs=self.epochs, penalty=self.penalty)

    @property
    def needs(self) -> Needs:
        return Needs(predicts="rating")


def build(config: Config, catalog: Catalog, users: int) -> "MF":
    """The model, not yet solved."""
    return MF(config, catalog.items, users)


@final
class MF(Chosen, Tuned, Rater, Factored):
    """The bias of a person or an item is the last column of its row (E = dim + 1)."""

    mean: Tensor
    user_UE: Tensor
    item_NE: Tensor
    first_XD: Tensor

    def __init__(self, config: Config, items: int, users: int):
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("user_UE", torch.zeros(users + 1, config.dim + 1))
        self.register_buffer("item_NE", torch.zeros(items + 1, config.dim + 1))
        first_XD = torch.randn(users + items + 2, config.dim) * config.deviation
        self.register_buffer("first_XD", first_XD, persistent=False)
        self.offer(config.choices)
        self.seed = drawn_seed()

    @property
    def needs(self) -> Needs:
        return self.config.needs

    def solve(self, train: Interactions) -> None:
        ratings = Ratings.of(train)
        biased = self.config.bias == "full"
        mean = ratings.mean if biased else np.float32(0)
        middle = 0.0 if biased else max(float(ratings.mean) / self.config.dim, 0) ** 0.5
        first_XE = torch.nn.functional.pad(self.first_XD.float().cpu() + middle, (0, 1))
        user_UE, item_NE = first_XE[: len(self.user_UE)].clone(), first_XE[len(self.user_UE) :].clone()
        if self.config.solver == "sgd":
            self._descend(ratings, mean, user_UE, item_NE)
        else:
            user_UE, item_NE = self._alternate(ratings, mean, item_NE)
        self.mean.fill_(float(mean))
        unknown = torch.zeros(self.config.dim + 1)
        unknown[-1] = 0.0 if biased else float(ratings.mean)
        self.user_UE.copy_(unless_rated(user_UE, ratings.user_E, unknown))
        self.item_NE.copy_(unless_rated(item_NE, ratings.item_E, unknown))

    def rate(self, batch: Batch, item_B: Tensor) -> Tensor:
        return self.score(batch, item_B[:, None])[:, 0]

    def query(self, batch: Batch) -> Tensor:
        """p_u, 1 for an item's bias, m + b_u. Without biases theirs are 0, or the mean where nothing is known."""
        user_BE = self.user_UE[batch.user_B]
        by_item_B1 = torch.ones_like(user_BE[:, :1]) if self.config.bias == "full" else 1.0 * (user_BE[:, -1:] == 0)
        return torch.cat([user_BE[:, :-1], by_item_B1.to(user_BE.dtype), self.mean + user_BE[:, -1:]], 1)

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        item_UE = self.item_NE if item_U is None else self.item_NE[item_U]
        return torch.cat([item_UE, torch.ones_like(item_UE[:, :1])], 1)

    def _descend(self, ratings: Ratings, mean: np.float32, user_UE: Tensor, item_NE: Tensor) -> None:
        tables = (user_UE.numpy(), item_NE.numpy())
        how = (np.float32(self.config.rate), np.float32(self.chosen["penalty"]), mean, self.config.bias == "full")
        for order_E in ratings.orders(int(self.chosen["epochs"]), self.seed):
            _pass(order_E, (ratings.user_E, ratings.item_E, ratings.rating_E), tables, how)

    def _alternate(self, ratings: Ratings, mean: np.float32, item_NE: Tensor) -> tuple[Tensor, Tensor]:
        """People, then items, `epochs` times over."""
        order_E = np.argsort(ratings.item_E, kind="stable")
        offset_N = np.searchsorted(ratings.item_E[order_E], np.arange(len(item_NE) + 1))
        offset_U = np.searchsorted(ratings.user_E, np.arange(len(self.user_UE) + 1))
        over_E = ratings.rating_E - mean
        by_item = (offset_N, ratings.user_E[order_E], over_E[order_E])
        user_UE = item_NE
        for _ in range(int(self.chosen["epochs"])):
            user_UE = self._side((offset_U, ratings.item_E, over_E), item_NE)
            item_NE = self._side(by_item, user_UE)
        return user_UE, item_NE

    def _side(self, side: tuple[np.ndarray, np.ndarray, np.ndarray], other_NE: Tensor) -> Tensor:
        """A side's rows from the other one's: factors beside a column of ones, targets less the other's bias."""
        offset_R, other_X, over_X = side
        table_NE = other_NE.clone()
        table_NE[:, -1] = float(self.config.bias == "full")
        left_X = over_X - other_NE[:, -1].numpy()[other_X]
        events = ridge.Events(offset_R, other_X, np.ones_like(left_X), left_X)
        ridge_R = self.chosen["penalty"] * torch.from_numpy(offset_R).diff().float()
        return ridge.solve(events, table_NE, torch.zeros(table_NE.shape[1]), ridge_R)


@njit(cache=True)
def _pass(order_E, ratings, tables, how):  # type: ignore[no-untyped-def]
    """A step a rating; on the right stand old values."""
    user_E, item_E, rating_E = ratings
    rate, penalty, mean, biased = how
    dim = tables[0].shape[1] - 1
    for e in order_E:
        p, q = tables[0][user_E[e]], tables[1][item_E[e]]
        error = rating_E[e] - (mean + p[dim] + q[dim] + dot(p[:dim], q[:dim]))
        if biased:
            p[dim] += rate * (error - penalty * p[dim])
            q[dim] += rate * (error - penalty * q[dim])
        for d in range(dim):
            before = p[d]
            p[d] += rate * (error * q[d] - penalty * p[d])
            q[d] += rate * (error * before - penalty * q[d])
