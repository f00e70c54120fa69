"""What a person cares about right after each event: topic shares of the past, decayed (Ante-RNN, eq. 7)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import DTypeLike, NDArray

BLOCK = 1 << 18  # events at a time, so that the 32-bit copy beside a 16-bit result stays small

Floats = NDArray[np.float32]
Whole = NDArray[np.int64]


def profiles(
    events: tuple[Whole, Whole, Whole, Whole],
    past_HT: Floats,
    share_NT: Floats,
    decay: float,
    dtype: DTypeLike = np.float32,
    compiled: bool = True,
) -> NDArray[np.floating]:
    """The topic profile right after each event [E, T].

    A completed window counts with its history share times exp(-decay * windows since); the window that is going on
    counts with weight 1 as the mean share of the items acted on in it so far, never with its history row, which
    holds its future. The weights are divided by their sum, so that rows sum to 1; uniform before anything is known.

    Args:
        events: of each event, by user, then position: its user, the number of its window, that window's row in
            past_HT and its item's row in share_NT (-1: none). past_HT: topic shares of users' windows. share_NT: of
            items.

    Raises:
        ValueError: the decay is negative.
    """
    if decay < 0:
        raise ValueError(f"topics.decay: {decay} would make the distant past weigh more; it is 0 or more")
    user, period, row, item = events
    out = np.empty((len(user), share_NT.shape[1]), dtype)
    starts = np.flatnonzero(np.diff(user, prepend=-1))
    inner = starts[np.searchsorted(starts, np.arange(0, len(user), BLOCK), "right") - 1]
    loop = _compiled(_decayed) if compiled else _decayed
    cuts = np.unique(np.append(inner, len(user)))
    for a, b in pairwise(cuts.tolist()):
        out[a:b] = loop(user[a:b], period[a:b], row[a:b], item[a:b], past_HT, share_NT, decay)
    return out


@cache
def _compiled(loop: Callable[..., Floats]) -> Callable[..., Floats]:
    from numba import njit  # its import takes longer than a person's answer

    compiled: Callable[..., Floats] = njit(cache=False)(loop)
    return compiled


def _decayed(
    user: Whole, period: Whole, row: Whole, item: Whole, past_HT: Floats, share_NT: Floats, decay: float
) -> Floats:
    """One pass: `before` is the mean of the completed windows and `mass` its weight; `now` sums the window going on."""
    width = share_NT.shape[1]
    out = np.empty((len(user), width), np.float32)
    before, now = np.full(width, 1.0 / width), np.zeros(width)
    mass, count = 0.0, 0
    for e in range(len(user)):
        if e == 0 or user[e] != user[e - 1]:
            before[:], now[:] = 1.0 / width, 0.0
            mass, count = 0.0, 0
        elif period[e] != period[e - 1]:
            done = row[e - 1] >= 0
            if done:
                before[:] = (mass * before + past_HT[row[e - 1]]) / (mass + 1.0)
            mass = (mass + done) * np.exp(-decay * (period[e] - period[e - 1]))
            now[:] = 0.0
            count = 0
        if item[e] >= 0:
            now += share_NT[item[e]]
            count += 1
        out[e] = (mass * before + now / count) / (mass + 1.0) if count else before
    return out


def moved(share_T: NDArray[np.float64], by_T: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of a window whose acts changed, moved by as much as the mean share of its items; cut at 0, sum 1."""
    cut_T = np.maximum(share_T + by_T, 0.0)
    found_T: NDArray[np.float64] = cut_T / cut_T.sum()
    return found_T


@dataclass(frozen=True)
class ProfileSource:
    """What profiles were made of, to make them as if some events had not been: the arguments of `profiles`; event e is
    the one of number e + 1.
    """

    events: tuple[Whole, Whole, Whole, Whole]
    past_HT: Floats
    share_NT: Floats
    decay: float

    def without(self, event_BL: Whole, gone_BL: NDArray[np.bool_]) -> Floats:
        """The profile right after each event of some rows [B, L, T], 0 where an event is gone or padding.

        event_BL: events by number, of one person a row and in order, 0 padding at the end; what lies between two of
        them and is not there is gone too. A completed window that lost events counts with its history share moved by
        as much as the mean share of its items moves, cut at 0 and divided by its sum; one that lost all of them does
        not count. The window going on is the mean of what is left of it.
        """
        if not event_BL.size:
            return np.zeros((*event_BL.shape, self.share_NT.shape[1]), np.float32)
        user = self.events[0]
        first_B = np.searchsorted(user, user[np.maximum(event_BL[:, 0], 1) - 1])
        from engine.training.profile_loops import without  # numba's import takes longer than a person's answer

        return without(event_BL, gone_BL, first_B, self.events[1:], self.past_HT, self.share_NT, self.decay)
