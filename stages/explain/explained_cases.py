"""Whose recommendations are explained, and what the model answered."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from engine.evaluation.rank import rank
from engine.measures.ranking import positions
from engine.tables.arrays import case_columns
from engine.training.batch import Interactions
from engine.training.cases import Cases, Seen
from engine.training.contract import Recommender
from stages.explain.reasons import Found


@dataclass(frozen=True)
class Case:
    """A person before an act, the act, where the model put it among how many rivals (`frozen`: the case's own), and
    what it recommended of the whole catalogue, with which scores."""

    user: int
    position: int
    target: int
    place: float
    rivals: int
    frozen: bool
    best: list[tuple[int, float]]


def chosen(table: pl.DataFrame, names: dict[int, str], users: int | tuple[str | int, ...], seed: int) -> pl.DataFrame:
    """The last test case of some users: those that are named, in that order, or as many as asked, drawn by the seed.

    Raises:
        ValueError: a user is not known, or has no test case.
    """
    last = table.sort("position").group_by("user").last().select(table.columns).sort("user")
    if isinstance(users, int):
        rows = np.random.default_rng(seed).choice(last.height, min(users, last.height), replace=False)
        return last.filter(pl.int_range(pl.len()).is_in(rows))
    codes, tested = {raw: code for code, raw in names.items()}, set(last["user"].to_list())
    wrong = [str(raw) for raw in users if codes.get(str(raw)) not in tested]
    if wrong:
        raise ValueError(f"explain.users: {', '.join(wrong)} have no test case; such have e.g. {names[min(tested)]!r}")
    order = pl.DataFrame({"user": [codes[str(raw)] for raw in dict.fromkeys(users)]}, schema={"user": pl.UInt32})
    return order.join(last, on="user", maintain_order="left").select(table.columns)


def answered(model: Recommender, events: Interactions, asked: pl.DataFrame, found: Found, seen: Seen) -> list[Case]:
    """The cases with the rank of what came next and the recommendations."""
    table = Cases.of(case_columns(asked), events.item_E.device.type)
    counts, frozen = rank(model, table, events, seen), table.candidate_CK is not None
    place = positions(counts.greater, counts.ties).tolist()
    cases = []
    for row, (user, position, target) in enumerate(asked.select("user", "position", "target").iter_rows()):
        best = zip(found.item_BK[row].tolist(), found.score_BK[row].tolist(), strict=True)
        kept = [(item, score) for item, score in best if item]
        cases.append(Case(user, position, target, place[row], int(counts.others[row]), frozen, kept))
    return cases
