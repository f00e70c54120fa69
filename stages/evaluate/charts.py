"""The charts of an evaluation: recall by cutoff, by length of history, by how popular the target is."""

import itertools
from collections.abc import Iterator

import numpy as np
import polars as pl

from engine.measures.ranking import Ranks, ndcg, recall
from engine.tables import files
from engine.tables.layout import Layout
from engine.training.interactions import Interactions

LENGTHS = (5, 10, 20, 50, 100)  # borders of the classes of history length
GROUPS = 10  # of items by popularity (MAHN, section 5.6)


def write(place: Ranks, cases: pl.DataFrame, train: Interactions, cutoffs: tuple[int, ...], layout: Layout) -> None:
    """One CSV a chart, of the ranks [C] of `cases` (position, target)."""
    lines = [f"{k},{recall(place, k).mean():.6f}" for k in cutoffs if len(place)]
    files.write_text("\n".join(["k,recall", *lines]) + "\n", layout.plot("cutoffs"))
    files.write_text("\n".join(["history,recall,ndcg", *_lengths(place, cases)]) + "\n", layout.plot("lengths"))
    rows = _popularity(place, cases["target"].to_numpy(), train)
    files.write_text("\n".join(["group,items,cases,recall,ndcg", *rows]) + "\n", layout.plot("popularity"))


def _lengths(place: Ranks, cases: pl.DataFrame) -> Iterator[str]:
    length = cases["position"].to_numpy()
    for low, high in itertools.pairwise([0, *LENGTHS, int(length.max(initial=0)) + 1]):
        inside = (length >= low) & (length < high)
        if inside.any():
            figures = f"{recall(place[inside], 20).mean():.6f},{ndcg(place[inside], 20).mean():.6f}"
            yield f"{low} to {high - 1},{figures}"


def _popularity(place: Ranks, target: np.ndarray, train: Interactions) -> Iterator[str]:
    """Items by training events, most first, in ten groups of as many; groups without a case are left out."""
    count_N = np.bincount(train.item_E.cpu().numpy(), minlength=train.items + 1)[1:]
    order = np.argsort(-count_N, kind="stable")
    group_N = np.empty(train.items, dtype=np.int64)
    group_N[order] = np.arange(train.items) * GROUPS // max(train.items, 1)
    for group in range(GROUPS):
        inside, counts = group_N[target - 1] == group, count_N[group_N == group]
        if inside.any():
            name = f"{group + 1}: {counts.max()} to {counts.min()} events"
            figures = f"{recall(place[inside], 20).mean():.6f},{ndcg(place[inside], 10).mean():.6f}"
            yield f"{name},{len(counts)},{int(inside.sum())},{figures}"
