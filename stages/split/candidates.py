"""Frozen candidates: what each case's target is ranked among."""

import logging
from pathlib import Path

import numpy as np
import polars as pl
from numba import njit

from engine.tables import arrays
from engine.tables.lacking import Lacking

log = logging.getLogger(__name__)

BLOCK = 1024  # cases whose random numbers are held at a time


def sample_candidates(cases: pl.DataFrame, split: pl.DataFrame, items: int, count: int, seed: int) -> pl.DataFrame:
    """Uniform candidates, without replacement, that the user never acted on: exact, and a case costs what it draws.

    Raises:
        Lacking: a user has left too few items alone; names the user.
    """
    acted = split.select("user", "item").unique().sort("user", "item")
    user, item = acted["user"].to_numpy(), acted["item"].to_numpy()
    first = np.searchsorted(user, cases["user"].to_numpy())
    last = np.searchsorted(user, cases["user"].to_numpy(), "right")
    free = items - (last - first)
    if cases.height and free.min() < count:
        raise Lacking(
            f"user {cases['user'][int(free.argmin())]} (a code of users.parquet) has acted on all but {free.min()} of "
            f"{items} items, and the protocol draws {count} of those as candidates; candidates=0 ranks all items"
        )
    generator = np.random.default_rng(seed)
    urn, place = np.arange(items + 1, dtype=np.uint32), np.arange(items + 1, dtype=np.uint32)
    candidate = np.empty((cases.height, count), dtype=np.uint32)
    for start in range(0, cases.height, BLOCK):
        stop = min(start + BLOCK, cases.height)
        random = generator.random((stop - start, count))
        _draw(urn, place, item, (first[start:stop], last[start:stop]), random, candidate[start:stop])
    return cases.with_columns(arrays.lists(candidate.reshape(-1), np.full(cases.height, count)).alias("candidates"))


@njit(cache=True)
def _draw(urn, place, item, acted, random, candidate):  # type: ignore[no-untyped-def]
    """Fisher and Yates: what a user acted on is moved to the end, each random number takes one of those left before it.

    `urn` holds the items 1.. in any order, `place` where each lies; both are left so, which biases nothing.
    """
    for case in range(len(random)):
        left = len(urn) - 1
        for number in range(acted[0][case], acted[1][case]):
            _swap(urn, place, place[item[number]], left)
            left -= 1
        for k in range(random.shape[1]):
            _swap(urn, place, np.int64(1 + k + np.int64(random[case, k] * (left - k))), 1 + k)
            candidate[case, k] = urn[1 + k]


@njit(cache=True)
def _swap(urn, place, one, other):  # type: ignore[no-untyped-def]
    a, b = urn[one], urn[other]
    urn[one], urn[other] = b, a
    place[a], place[b] = other, one


def given_candidates(cases: pl.DataFrame, lists: pl.DataFrame, path: Path) -> pl.DataFrame:
    """The lists that came with the data, for the cases of users who have one.

    Raises:
        ValueError: no lists came, or none for a user who has a case.
    """
    if lists.height == 0:
        raise ValueError(f"candidates is given, and {path} has no lists: this data set came without")
    found = cases.drop("candidates").join(lists, on="user", how="left", maintain_order="left")
    lacking = found["candidates"].null_count()
    if lacking and lacking == found.height:
        raise ValueError(f"{path}: its {lists.height} lists are of users without a case")
    if lacking:
        log.warning("%d cases of users without a given list are left out", lacking)
    return found.drop_nulls("candidates").with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).alias("case"))
