"""TimeSVD++: ratings from biases and tastes that drift (Koren, KDD 2009); without drift, SVD++ (Koren, KDD 2008).

rating = m + b_u(t) + (b_i + b_i,bin(t)) c_u(t) + q_i · (p_u(t) + |R(u)|^-1/2 · sum over R(u) of y_j), R(u) what u rated
in training, and with dev = sign(t - t_u) |t - t_u|^exponent, t_u the mean day of u's ratings:
b_u(t) = b_u + a_u dev + b_ut; p_u(t) = p_u + a'_u dev + p_ut; c_u(t) = c_u + c_ut, where c_u begins at 1 and is drawn
to 1. b_ut, p_ut and c_ut are of one person and day. All are learnt by a step a rating with their groups' penalties.

**Departs from the paper:** rates and penalties, of which the paper tells few. dev is in units of its largest size in
training: else one rate would do for a week or for years, not for both. `drift: linear` leaves out what is of a
single day, which a split by time never asks about again; `none` all that moves. Ratings come in a random order, person
by person. The y of one person's ratings move alike, so that they are stepped together at each rating and written back
when the person is done: exactly a step of all of them a rating, at the cost of one. Days that were not in training have
no terms, later bins are the last one, and `clip` holds dev within its range in training. `implicit: false` leaves y
out: then, without drift, it is `mf`. `epochs` and `penalty` may be lists: validation chooses by the lowest RMSE.
"""

from typing import Any, Literal, final

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from engine.tables.lacking import Lacking
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.choices import combinations
from engine.training.contract import Factored, Rater, Tuned
from engine.training.interactions import Interactions
from engine.training.needs import Needs, Settings
from models.blocks.chosen import Chosen
from models.blocks.descent import Ratings, drawn_seed, unless_rated
from models.blocks.drifting import Days, Steps, Tables, epoch
from models.blocks.pairs import Pairs
from models.blocks.shared_settings import Counts, Dim, Penalties

LEVELS = {"none": 0, "linear": 1, "daily": 2}


class Config(Settings):
    """Width, what drifts, and the steps."""

    dim: Dim = 50
    drift: Literal["daily", "linear", "none"] = Field(
        "daily", description="all of the paper's; without what is of one day; nothing, which is SVD++"
    )
    implicit: bool = Field(True, description="whether what somebody rated says something beside the ratings")
    epochs: Counts = Field((10, 20, 40), description="passes over the ratings; or a list to choose from")
    rate: float = Field(0.007, gt=0, description="of the steps")
    decay: float = Field(1.0, gt=0, le=1, description="what the rates are multiplied by after each epoch")
    penalty: Penalties = Field(
        (0.02, 0.05, 0.1), description="of biases and factors, once a rating; or a list to choose from"
    )
    drift_rate: float = Field(0.1, ge=0, description="of the steps of what drifts, in rates")
    drift_penalty: float = Field(0.1, ge=0, description="of what drifts, and of c_u's distance from 1")
    bins: int = Field(30, ge=1, description="of time, for the biases of items")
    exponent: float = Field(0.4, gt=0, le=1, description="of the days from a person's mean day")
    clip: bool = Field(False, description="whether dev keeps to its range in training")
    deviation: float = Field(0.1, gt=0, description="of the first factors")

    @property
    def choices(self) -> list[dict[str, float]]:
        """Combinations of the settings that may be lists."""
        return combinations(epochs=self.epochs, penalty=self.penalty)

    @property
    def needs(self) -> Needs:
        """The moment of a rating, where anything drifts."""
        return Needs(predicts="rating", now=self.drift != "none")


def build(config: Config, catalog: Catalog, users: int) -> "TimeSVD":
    """The model, not yet solved."""
    return TimeSVD(config, catalog.items, users)


@final
class TimeSVD(Chosen, Tuned, Rater, Factored):
    """user_UE: p and b of people, what their R(u) says added to p (E = dim + 1); drift_UE: a' and a; item_NE: q and b;
    bin_NB: of items; scale_U: c_u; day_YG: p, b and c of a person and day (G = dim + 2; row 0: not in training).
    """

    mean: Tensor
    user_UE: Tensor
    drift_UE: Tensor
    item_NE: Tensor
    bin_NB: Tensor
    scale_U: Tensor
    day_YG: Tensor
    first_XD: Tensor
    first_ND: Tensor

    def __init__(self, config: Config, items: int, users: int):
        super().__init__()
        self.config = config
        dim = config.dim
        shapes = {"user_UE": (users + 1, dim + 1), "drift_UE": (users + 1, dim + 1), "item_NE": (items + 1, dim + 1)}
        shapes |= {"bin_NB": (items + 1, config.bins), "day_YG": (1, dim + 2)}
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape))
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("scale_U", torch.ones(users + 1))
        first_XD = torch.randn(users + items + 2, dim) * config.deviation
        self.register_buffer("first_XD", first_XD, persistent=False)
        self.seed = drawn_seed()
        self.register_buffer("first_ND", torch.randn(items + 1, dim) * config.deviation, persistent=False)
        self.offer(config.choices)
        self.days = Days(users, config.bins, config.exponent, config.clip)

    @property
    def needs(self) -> Needs:
        return self.config.needs

    def solve(self, train: Interactions) -> None:
        ratings, pairs = Ratings.of(train), Pairs.of(train.user_E, train.item_E, train.users, train.items)
        given = (ratings.user_E, ratings.item_E, ratings.rating_E, *self._when(train))
        learnt = self._first()
        tables = Tables(*(table.numpy() for table in learnt.values()))
        for number, order_E in enumerate(ratings.orders(int(self.chosen["epochs"]), self.seed)):
            epoch(order_E, given, (pairs.item_E, pairs.offset_U), tables, self._steps(float(ratings.mean), number))
        if self.config.implicit:
            learnt["user_UE"][:, :-1] += _said(pairs, learnt["y_ND"], len(self.user_UE))
        unknown_E = torch.zeros(self.config.dim + 1)
        learnt["user_UE"] = unless_rated(learnt["user_UE"], ratings.user_E, unknown_E)
        learnt["item_NE"] = unless_rated(learnt["item_NE"], ratings.item_E, unknown_E)
        self.mean.fill_(float(ratings.mean))
        self.day_YG = learnt.pop("day_YG").to(self.mean)
        for name in learnt.keys() - {"y_ND"}:
            getattr(self, name).copy_(learnt[name])

    def rate(self, batch: Batch, item_B: Tensor) -> Tensor:
        return self.score(batch, item_B[:, None])[:, 0]

    def query(self, batch: Batch) -> Tensor:
        """p_u(t) with what R(u) says, m + b_u(t), c_u(t), and c_u(t) in the place of the bin."""
        user_BE = self.user_UE[batch.user_B]
        scale_B1, bin_BB = torch.ones_like(user_BE[:, :1]), user_BE.new_zeros(len(user_BE), self.config.bins)
        if self.config.drift != "none":
            if batch.now_B is None:
                raise ValueError("what drifts is asked at a moment; the batch says none")
            when = self.days.when(batch.user_B, batch.now_B)
            day_BG = self.day_YG[when.day_B]
            user_BE = user_BE + when.dev_B[:, None] * self.drift_UE[batch.user_B] + day_BG[:, :-1]
            scale_B1 = (self.scale_U[batch.user_B] + day_BG[:, -1])[:, None]
            bin_BB = F.one_hot(when.bin_B, self.config.bins).to(scale_B1.dtype) * scale_B1
        return torch.cat([user_BE[:, :-1], self.mean + user_BE[:, -1:], scale_B1, bin_BB], 1)

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        item_UE, bin_UB = (t if item_U is None else t[item_U] for t in (self.item_NE, self.bin_NB))
        return torch.cat([item_UE[:, :-1], torch.ones_like(item_UE[:, :1]), item_UE[:, -1:], bin_UB], 1)

    def _when(self, train: Interactions) -> list[Any]:
        """dev, bin and day of each rating; zeros where nothing drifts, and no days of their own unless `daily`."""
        level = LEVELS[self.config.drift]
        zero_E = torch.zeros_like(train.user_E)
        if level == 0:
            return [zero_E.float().cpu().numpy(), zero_E.cpu().numpy(), zero_E.cpu().numpy()]
        if train.time_E is None:
            raise Lacking("ratings drift with time, and these events have none: set drift to none")
        self.days.learn(train.user_E, train.time_E)
        when = self.days.when(train.user_E, train.time_E)
        if level == 1:
            self.days.key_Y = self.days.key_Y[:1]
            when.day_B.zero_()
        return [t.cpu().numpy() for t in (when.dev_B.float(), when.bin_B, when.day_B)]

    def _first(self) -> dict[str, Tensor]:
        """Where the steps begin: small factors, c_u 1, all else 0."""
        first_XE, people = F.pad(self.first_XD.float().cpu(), (0, 1)), len(self.user_UE)
        found = {
            "user_UE": first_XE[:people].clone(),
            "drift_UE": torch.zeros(self.drift_UE.shape),
            "item_NE": first_XE[people:].clone(),
            "y_ND": self.first_ND.float().cpu().clone(),
            "bin_NB": torch.zeros(self.bin_NB.shape),
            "scale_U": torch.ones(people),
            "day_YG": torch.zeros(len(self.days.key_Y), self.config.dim + 2),
        }
        return {name: table.float() for name, table in found.items()}

    def _steps(self, mean: float, epoch: int) -> Steps:
        own, rate, penalty = self.config, self.config.rate * self.config.decay**epoch, self.chosen["penalty"]
        return Steps(rate, rate * own.drift_rate, penalty, own.drift_penalty, mean, own.implicit, LEVELS[own.drift])

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *given: Any) -> None:
        """There are as many rows of days as the training events had."""
        self.day_YG = torch.empty_like(state_dict.get(f"{prefix}day_YG", self.day_YG), device=self.mean.device)
        keys = state_dict.get(f"{prefix}days.key_Y", self.days.key_Y)
        self.days.key_Y = torch.empty_like(keys, device=self.mean.device)
        super()._load_from_state_dict(state_dict, prefix, *given)


def _said(pairs: Pairs, y_ND: Tensor, people: int) -> Tensor:
    """|R(u)|^-1/2 · sum over R(u) of y_j."""
    count_U = torch.from_numpy(np.diff(pairs.offset_U))
    user_X = torch.repeat_interleave(torch.arange(len(count_U)), count_U)
    sum_UD = torch.zeros(people, y_ND.shape[1]).index_add_(0, user_X, y_ND[torch.from_numpy(pairs.item_E)])
    sum_UD[: len(count_U)] /= count_U.clamp(min=1).sqrt()[:, None]
    return sum_UD
