"""Frozen candidates: what each case's target is ranked among."""

import logging
from pathlib import Path

import numpy as np
import polars as pl
from numba import njit

from engine.tables import arrays

log = logging.getLogger(__name__)

LOTS = 1024  # cases whose lots are held at a time


def drawn(cases: pl.DataFrame, split: pl.DataFrame, items: int, count: int, seed: int) -> pl.DataFrame:
    """Uniform rivals, without replacement, that the user never acted on at all: exactly, in time of what is drawn.

    Raises:
        ValueError: a user has left too few items alone; names the user.
    """
    touched = split.select("user", "item").unique().sort("user", "item")
    user, item = touched["user"].to_numpy(), touched["item"].to_numpy()
    first = np.searchsorted(user, cases["user"].to_numpy())
    last = np.searchsorted(user, cases["user"].to_numpy(), "right")
    free = items - (last - first)
    if cases.height and free.min() < count:
        raise ValueError(
            f"user {cases['user'][int(free.argmin())]} has acted on all but {free.min()} of {items} items: "
            "candidates can be at most that"
        )
    generator = np.random.default_rng(seed)
    urn, place = np.arange(items + 1, dtype=np.uint32), np.arange(items + 1, dtype=np.uint32)
    rival = np.empty((cases.height, count), dtype=np.uint32)
    for start in range(0, cases.height, LOTS):
        stop = min(start + LOTS, cases.height)
        lot = generator.random((stop - start, count))
        _draw(urn, place, item, (first[start:stop], last[start:stop]), lot, rival[start:stop])
    return cases.with_columns(arrays.lists(rival.reshape(-1), np.full(cases.height, count)).alias("candidates"))


@njit(cache=True)
def _draw(urn, place, item, touched, lot, rival):  # type: ignore[no-untyped-def]
    """Fisher and Yates: what a user touched is moved to the end, each lot takes one of what is left before it.

    `urn` holds the items 1.. in any order, `place` where each lies; both are left so, which biases nothing.
    """
    for case in range(len(lot)):
        left = len(urn) - 1
        for number in range(touched[0][case], touched[1][case]):
            _swap(urn, place, place[item[number]], left)
            left -= 1
        for k in range(lot.shape[1]):
            _swap(urn, place, np.int64(1 + k + np.int64(lot[case, k] * (left - k))), 1 + k)
            rival[case, k] = urn[1 + k]


@njit(cache=True)
def _swap(urn, place, one, other):  # type: ignore[no-untyped-def]
    a, b = urn[one], urn[other]
    urn[one], urn[other] = b, a
    place[a], place[b] = other, one


def given(cases: pl.DataFrame, lists: pl.DataFrame, path: Path) -> pl.DataFrame:
    if lists.height == 0:
        raise ValueError(f"candidates is given, and {path} has none: this data set came without candidate lists")
    found = cases.drop("candidates").join(lists, on="user", how="left", maintain_order="left")
    lacking = found["candidates"].null_count()
    if lacking:
        log.warning("%d cases of users without a given list are left out", lacking)
    return found.drop_nulls("candidates").with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).alias("case"))
