"""What a cell's model says about cases: how an item stands with it, and what it weighs."""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl
import torch
from torch import Tensor

import models
from engine.evaluation.history_erasure import best_items
from engine.evaluation.rank import rank
from engine.measures.ranking import positions
from engine.tables.arrays import case_columns
from engine.training.cases import Cases
from engine.training.contract import Recommender
from engine.training.source import Data, load
from engine.training.trained_on import trained_on
from stages.explain.examples.cells import Cell
from stages.explain.examples.settings import Example, ShownCell, Weight
from stages.explain.labels import VIEWS
from stages.explain.reasons import Asked, reason_rows

AMONG = 10  # items that a model which scores no whole catalogue compares the asked one with
OTHERS = {"history": "item_history", "gate": "item_gate"}  # the same over the acts of others on the item


@dataclass(frozen=True)
class Stand:
    """How an item stands with a model: its score, and its rank among so many rivals and itself."""

    score: float
    rank: float
    rivals: int


@dataclass(frozen=True)
class Answers:
    """Of some cases: the items that were asked about, item_BK (0: none), how each stands, and the rows of reasons."""

    item_BK: Tensor
    stands: list[list[Stand]]
    reasons: pl.DataFrame

    @staticmethod
    @torch.no_grad()
    def of(cell: Cell, example: Example, rows: pl.DataFrame, item_BK: Tensor | None, device: str) -> "Answers":
        """About some items, or (None) those that the example is of: what came next, or what this model recommends."""
        layout, needs = cell.layout, models.configure(cell.choice).needs
        data, about = load(layout, needs, "test", device), trained_on(layout, needs, tested=True)
        model = models.restore(cell.choice, data.catalog, data.users, layout.weights, about, device)
        cases = Cases.of(case_columns(rows), device)
        best_BK = best_items(model, data.events, cases, max(AMONG, example.recommended), cell.seen)[0]
        if item_BK is None:
            item_BK = best_BK[:, : example.recommended] if example.recommended else cases.target_C[:, None]
        batch = data.events.before(cases.user_C, cases.position_C, model.needs)
        asked = Asked(item_BK, model.score(batch, item_BK), best_BK)
        reasons = reason_rows(model, data.events, cases, asked, data.catalog)
        return Answers(item_BK, list(_stands(model, data, cases, asked, cell, bool(example.recommended))), reasons)

    def refuse_unknown(self, shown: ShownCell, cell: Cell) -> None:
        """Raises ValueError where the model has no such weights; it names those that it has."""
        for name, weight in shown.weights.items():
            if self.reasons.filter(_is(weight, weight.over)).is_empty():
                there = self.reasons.select("over", "reading").unique(maintain_order=True).rows()
                said = ", ".join(f"{{over: {over}, reading: {reading}}}" for over, reading in there)
                wanted = ", ".join(f"{key}: {value}" for key, value in weight.model_dump(exclude_none=True).items())
                raise ValueError(
                    f"{cell.name}, {name!r}: models.{cell.choice.name} as it is set weighs no {{{wanted}}}; "
                    f"it weighs {said or 'nothing'}"
                )

    def of_acts(self, user: int, k: int, weight: Weight) -> dict[int, float]:
        """What an item's reasons give to each act of the person, by its position; `k`: the item's place."""
        return dict(self._of(user, k, weight, weight.over).select("position", "weight").iter_rows())

    def of_others(self, user: int, k: int, weight: Weight) -> list[float]:
        """The same of the last acts of others on the item, in the order of time."""
        return self._of(user, k, weight, OTHERS.get(weight.over, ""))["weight"].to_list()

    def _of(self, user: int, k: int, weight: Weight, over: str) -> pl.DataFrame:
        return self.reasons.filter((pl.col("user") == user) & (pl.col("rank") == k + 1) & _is(weight, over))


def _stands(
    model: Recommender, data: Data, cases: Cases, asked: Asked, cell: Cell, recommended: bool
) -> Iterator[list[Stand]]:
    """By the item's place, then by case. What is recommended is ranked among all, what came next as the case says."""
    among = None if recommended else cases.candidate_CK
    for item_B, score_B in zip(asked.item_BK.T, asked.score_BK.T, strict=True):
        counts = rank(model, Cases(cases.user_C, cases.position_C, item_B.clamp(min=1), among), data.events, cell.seen)
        place = positions(counts.greater, counts.ties)
        yield [Stand(*of) for of in zip(score_B.tolist(), place.tolist(), counts.others.tolist(), strict=True)]


def _is(weight: Weight, over: str) -> pl.Expr:
    found = (pl.col("over") == over) & (pl.col("reading") == weight.reading)
    if weight.view is None:
        return found
    number = next(n for n, view in VIEWS.items() if view == weight.view)
    return found & (pl.col("part") == number) & pl.col("position").is_not_null()
