"""Whose recommendations are explained, and what the model recommends to them."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from engine.evaluation.rank import rank
from engine.measures.ranking import positions
from engine.tables import raw_ids
from engine.tables.arrays import case_columns
from engine.training.cases import Cases, Seen
from engine.training.contract import Recommender
from engine.training.interactions import Interactions
from stages.explain.reasons import Recommendations


@dataclass(frozen=True)
class ExplainedCase:
    """A person before a test event, and what the model recommends there.

    `target`: the item of the event; `rank`: the model's rank of it among `rivals` others (`frozen`: the case's own
    candidates, else the catalogue); `recommended`: items of the whole catalogue with their scores, the best first.
    """

    user: int
    position: int
    target: int
    rank: float
    rivals: int
    frozen: bool
    recommended: list[tuple[int, float]]


def last_cases(
    table: pl.DataFrame, names: dict[int, str], users: int | tuple[str | int, ...], seed: int
) -> pl.DataFrame:
    """The last test case of some users: those that are named, in that order, or as many as asked, drawn by the seed.

    Raises:
        ValueError: a user is not known, may be several, or has no test case.
    """
    last = table.sort("position").group_by("user").last().select(table.columns).sort("user")
    if isinstance(users, int):
        rows = np.random.default_rng(seed).choice(last.height, min(users, last.height), replace=False)
        return last.filter(pl.int_range(pl.len()).is_in(rows))
    codes, tested = {raw: code for code, raw in names.items()}, set(last["user"].to_list())
    asked = raw_ids.named(users, codes, "explain.users")
    without = [raw for raw in asked if codes[raw] not in tested]
    if without:
        some = f"{len(without)} of {len(asked)} have no test case, the first is {without[0]!r}"
        raise ValueError(f"explain.users: {some}; such have e.g. {names[min(tested)]!r}")
    order = pl.DataFrame({"user": [codes[raw] for raw in asked]}, schema={"user": pl.UInt32})
    return order.join(last, on="user", maintain_order="left").select(table.columns)


def with_recommendations(
    model: Recommender, events: Interactions, rows: pl.DataFrame, recommended: Recommendations, seen: Seen
) -> list[ExplainedCase]:
    """The cases with the rank of what came next and the recommendations."""
    cases = Cases.of(case_columns(rows), events.item_E.device.type)
    counts, frozen = rank(model, cases, events, seen), cases.candidate_CK is not None
    ranks = positions(counts.greater, counts.ties).tolist()
    found = []
    for row, (user, position, target) in enumerate(rows.select("user", "position", "target").iter_rows()):
        best = zip(recommended.item_BK[row].tolist(), recommended.score_BK[row].tolist(), strict=True)
        kept = [(item, score) for item, score in best if item]
        found.append(ExplainedCase(user, position, target, ranks[row], int(counts.others[row]), frozen, kept))
    return found
