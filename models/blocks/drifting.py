"""Ratings whose biases and tastes drift: when each was given, and the steps of TimeSVD++."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor, nn

from engine.training.audience import NEVER
from models.blocks.descent import dot

DAY = 86_400  # seconds


@dataclass(frozen=True)
class When:
    """Of some ratings: dev_B, how far from the person's mean day; bin_B; day_B, person's and day's row (0: none)."""

    dev_B: Tensor
    bin_B: Tensor
    day_B: Tensor


class Days(nn.Module):
    """What training knows of time: days since its first moment, each person's mean one, and who rated on which (key_Y,
    rising; its row 0 is nobody's).
    """

    begin: Tensor
    last: Tensor
    mean_U: Tensor
    range_U2: Tensor
    unit: Tensor
    key_Y: Tensor

    def __init__(self, users: int, bins: int, exponent: float, clip: bool):
        super().__init__()
        self.bins, self.exponent, self.clip = bins, exponent, clip
        self.register_buffer("begin", torch.zeros((), dtype=torch.int64))
        self.register_buffer("last", torch.zeros((), dtype=torch.int64))
        self.register_buffer("mean_U", torch.zeros(users + 1))
        self.register_buffer("range_U2", torch.zeros(users + 1, 2))
        self.register_buffer("unit", torch.ones(()))
        self.register_buffer("key_Y", torch.tensor([-1]))

    def learn(self, user_E: Tensor, time_E: Tensor) -> None:
        """From the ratings of training; key_Y grows to one a person and day."""
        self.begin.copy_(time_E.min())
        day_E = (time_E - self.begin) // DAY
        self.last.copy_(day_E.max())
        count_U = torch.bincount(user_E, minlength=len(self.mean_U)).clamp(min=1)
        self.mean_U.copy_(torch.bincount(user_E, day_E.double(), minlength=len(self.mean_U)) / count_U)
        self.key_Y = torch.cat([self.key_Y[:1], torch.unique(user_E * (self.last + 1) + day_E)])
        self.unit.fill_(1)
        self.unit.copy_(self._dev(user_E, day_E).abs().max().clamp(min=1e-6))
        dev_E = self._dev(user_E, day_E)
        for column, reduce in enumerate(("amin", "amax")):
            self.range_U2[:, column].scatter_reduce_(0, user_E, dev_E, reduce, include_self=False)

    def when(self, user_B: Tensor, time_B: Tensor) -> When:
        """Of moments of some people; after all that is known (NEVER) it is the last day of training."""
        day_B = torch.where(time_B == NEVER, self.last, (time_B - self.begin).div(DAY, rounding_mode="floor"))
        dev_B = self._dev(user_B, day_B)
        if self.clip:
            dev_B = dev_B.clamp(*self.range_U2[user_B].unbind(1))
        bin_B = (day_B * self.bins).div(self.last + 1, rounding_mode="floor").clamp(0, self.bins - 1)
        asked_B = user_B * (self.last + 1) + day_B
        place_B = torch.searchsorted(self.key_Y, asked_B).clamp(max=len(self.key_Y) - 1)
        there_B = (self.key_Y[place_B] == asked_B) & (day_B >= 0) & (day_B <= self.last)
        return When(dev_B, bin_B, place_B * there_B)

    def _dev(self, user_B: Tensor, day_B: Tensor) -> Tensor:
        apart_B = day_B.to(self.mean_U.dtype) - self.mean_U[user_B]
        return apart_B.sign() * apart_B.abs() ** self.exponent / self.unit


@dataclass(frozen=True)
class Tables:
    """What is learnt, changed in place: people p, b; their drift; items q, b; y; bins of items; c_u; person and day."""

    user_UE: np.ndarray
    drift_UE: np.ndarray
    item_NE: np.ndarray
    y_ND: np.ndarray
    bin_NB: np.ndarray
    scale_U: np.ndarray
    day_YG: np.ndarray


@dataclass(frozen=True)
class Steps:
    """Rates and penalties of what stays and of what drifts; drift 0 none, 1 linear, 2 daily."""

    rate: float
    drift_rate: float
    penalty: float
    drift_penalty: float
    mean: float
    implicit: bool
    drift: int


def epoch(order_E: np.ndarray, ratings: tuple[Any, ...], had: tuple[Any, ...], tables: Tables, steps: Steps) -> None:
    """A step for each rating, person by person; `ratings` are users, items, values, dev, bins, days, `had` what each
    person rated, once, and where each person's begin.
    """
    rates = tuple(np.float32(v) for v in (steps.rate, steps.drift_rate, steps.penalty, steps.drift_penalty, steps.mean))
    held = tuple(vars(tables).values())
    _epoch(order_E, ratings, had, held, (*rates, steps.implicit, steps.drift))


@njit(cache=True)
def _epoch(order_E, ratings, had, tables, how):  # type: ignore[no-untyped-def]
    had_X, had_U = had
    y_ND = tables[3]
    sum_D, shift_D, x_D = np.zeros_like(y_ND[0]), np.zeros_like(y_ND[0]), np.zeros_like(y_ND[0])
    shrunk = np.float32(1)
    for place in range(len(order_E)):
        user = ratings[0][order_E[place]]
        own_X = had_X[had_U[user] : had_U[user + 1]]
        if how[5] and (place == 0 or ratings[0][order_E[place - 1]] != user):
            sum_D[:] = 0
            shift_D[:] = 0
            shrunk = np.float32(1)
            for item in own_X:
                for d in range(len(sum_D)):
                    sum_D[d] += y_ND[item, d]
        pull = _step(order_E[place], ratings, tables, how, (len(own_X), sum_D, x_D))
        if how[5]:
            keep = np.float32(1) - how[0] * how[2]
            shrunk *= keep
            for d in range(len(sum_D)):
                shift_D[d] = keep * shift_D[d] + pull * x_D[d]
                sum_D[d] = keep * sum_D[d] + np.float32(len(own_X)) * pull * x_D[d]
            if place + 1 == len(order_E) or ratings[0][order_E[place + 1]] != user:
                for item in own_X:
                    for d in range(len(sum_D)):
                        y_ND[item, d] = shrunk * y_ND[item, d] + shift_D[d]


@njit(cache=True)
def _step(e, ratings, tables, how, implied):  # type: ignore[no-untyped-def]
    """All but y; x_D comes back as the old q, and what y moves by along it is returned."""
    user, item, dev, time_bin, day = ratings[0][e], ratings[1][e], ratings[3][e], ratings[4][e], ratings[5][e]
    p, drift, q, scale_U, own_day = tables[0][user], tables[1][user], tables[2][item], tables[5], tables[6][day]
    rate, drift_rate, penalty, drift_penalty, mean, implicit, level = how
    count, sum_D, x_D = implied
    dim = len(x_D)
    root = np.float32(1) / np.sqrt(np.float32(max(count, 1)))
    for d in range(dim):
        x_D[d] = p[d]
        if implicit:
            x_D[d] += root * sum_D[d]
        if level > 0:
            x_D[d] += dev * drift[d] + own_day[d]
    scale, item_bias, base = np.float32(1), q[dim], mean + p[dim]
    if level > 0:
        scale = scale_U[user] + own_day[dim + 1]
        item_bias += tables[4][item, time_bin]
        base += dev * drift[dim] + own_day[dim]
    error = ratings[2][e] - (base + item_bias * scale + dot(x_D, q[:dim]))
    p[dim] += rate * (error - penalty * p[dim])
    q[dim] += rate * (error * scale - penalty * q[dim])
    if level > 0:
        drift[dim] += drift_rate * (error * dev - drift_penalty * drift[dim])
        tables[4][item, time_bin] += drift_rate * (error * scale - drift_penalty * tables[4][item, time_bin])
        scale_U[user] += drift_rate * (error * item_bias - drift_penalty * (scale_U[user] - np.float32(1)))
    if level > 1 and day > 0:
        own_day[dim] += drift_rate * (error - drift_penalty * own_day[dim])
        own_day[dim + 1] += drift_rate * (error * item_bias - drift_penalty * own_day[dim + 1])
    for d in range(dim):
        before = q[d]
        if level > 0:
            drift[d] += drift_rate * (error * dev * before - drift_penalty * drift[d])
        if level > 1 and day > 0:
            own_day[d] += drift_rate * (error * before - drift_penalty * own_day[d])
        q[d] += rate * (error * x_D[d] - penalty * before)
        p[d] += rate * (error * before - penalty * p[d])
        x_D[d] = before
    return rate * error * root
