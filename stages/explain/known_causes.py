"""Where the world was made and its causes are known: is what weighs most the true cause, more often than by chance?

The next act that happened is explained, not a recommendation, as its cause is what the truth tells of. Only acts whose
cause leaves something to find count: some of the weighed parts true and some not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from engine.measures import faithfulness
from engine.training.batch import Batch
from engine.training.cases import Cases
from engine.training.contract import Explainer, Recommender, Weights
from engine.training.interactions import Interactions
from stages.explain.reasons import positions_of

COVERED = 0.5  # share of a region that a true box has to cover
ROWS = 64  # cases explained at once

Pairs = list[tuple[float, float]]


@dataclass(frozen=True)
class KnownCauses:
    """The causes by (user, position), the words of each item's text, the boxes of its picture's regions [M, 4]."""

    by_event: dict[tuple[int, int], dict[str, Any]]
    words: dict[int, list[str]]
    boxes: dict[int, np.ndarray]

    @staticmethod
    def of(truth: pl.DataFrame, words: pl.DataFrame, regions: pl.DataFrame) -> "KnownCauses":
        """From the tables, which may have no rows."""
        boxes = {
            item: np.array(box, dtype=np.float64).reshape(-1, 4)
            for item, box in regions.select("item", "box").iter_rows()
        }
        by_event = {(row["user"], row["position"]): row for row in truth.iter_rows(named=True)}
        return KnownCauses(by_event, dict(words.select("item", "token").iter_rows()), boxes)

    def true_words(self, user: int, position: int, item: int) -> np.ndarray:
        """Which words of an item's text made this person act on it, at this position of the person's events."""
        true = {str(word).lower() for word in self._column(user, position, "words")}
        return np.array([word.lower() in true for word in self.words.get(item, [])], dtype=bool)

    def true_regions(self, user: int, position: int, item: int) -> np.ndarray:
        """Which regions of an item's picture show what made this person act on it, at this position."""
        box, boxes_M4 = self._column(user, position, "box"), self.boxes.get(item, np.zeros((0, 4)))
        return covered(boxes_M4, np.array(box)) >= COVERED if len(box) else np.zeros(len(boxes_M4), dtype=bool)

    def earlier(self, user: int, position: int) -> list[int]:
        """Which earlier items led this person to the event at a position."""
        return [int(found) for found in self._column(user, position, "earlier")]

    def _column(self, user: int, position: int, name: str) -> list[Any]:
        found = self.by_event.get((user, position), {}).get(name)
        return [] if found is None else list(found)


def covered(boxes_M4: np.ndarray, box_4: np.ndarray) -> np.ndarray:
    """The share of each box (left, top, right, bottom) that lies in another."""
    low, high = np.maximum(boxes_M4[:, :2], box_4[:2]), np.minimum(boxes_M4[:, 2:], box_4[2:])
    inside = (high - low).clip(min=0).prod(axis=1)
    found: np.ndarray = inside / np.maximum((boxes_M4[:, 2:] - boxes_M4[:, :2]).prod(axis=1), 1e-12)
    return found


@torch.no_grad()
def heaviest_against_causes(
    model: Recommender, events: Interactions, cases: Cases, causes: KnownCauses
) -> dict[str, float]:
    """How often the heaviest part is a true one, beside chance and the number of cases.

    Keys: `truth_history`; `truth_newest` (the last act in its place); `truth_word` and `truth_region` of those items of
    the history that are true causes; `truth_next_word` and `truth_next_region` of the item that was acted on next.
    """
    pairs: dict[str, Pairs] = {}
    if not isinstance(model, Explainer) or not causes.by_event:
        return {}
    for first in range(0, len(cases), ROWS):
        some = slice(first, first + ROWS)
        user_B, position_B = cases.user_C[some], cases.position_C[some]
        batch = events.before(user_B, position_B, model.needs)
        position_BL = positions_of(events, batch)
        next_B = list(zip(user_B.tolist(), position_B.tolist(), strict=True))
        for reason in model.explain(batch, cases.target_C[some]):
            if reason.over == "history":
                weighed, newest = _history(reason, batch, next_B, causes)
                pairs.setdefault("truth_history", []).extend(weighed)
                pairs.setdefault("truth_newest", []).extend(newest)
            elif reason.over in ("word", "region") and reason.about is not None:
                of_next = reason.about.ndim == 1
                name = "truth_" + ("next_" if of_next else "") + reason.over
                place_BL = position_B[:, None] if of_next else position_BL
                pairs.setdefault(name, []).extend(_inside(reason, place_BL, next_B, causes))
    metrics: dict[str, float] = {}
    for name, both in pairs.items():
        known = np.array([pair for pair in both if not np.isnan(pair[0])]).reshape(-1, 2)
        if len(known):
            hits, chance = known.mean(axis=0).tolist()
            metrics |= {name: hits, f"{name}_chance": chance, f"{name}_cases": len(known)}
    return metrics


def _history(reason: Weights, batch: Batch, next_B: list[tuple[int, int]], causes: KnownCauses) -> tuple[Pairs, Pairs]:
    item_BL, valid_BL = batch.item_BL.cpu().numpy(), reason.valid.cpu().numpy()
    true_BL = np.zeros_like(valid_BL)
    for row, (user, position) in enumerate(next_B):
        true_BL[row] = np.isin(item_BL[row], causes.earlier(user, position))
    latest_BL = np.broadcast_to(np.arange(valid_BL.shape[1], dtype=np.float64), valid_BL.shape)
    weighed = _pairs(reason.value.double().cpu().numpy(), true_BL, valid_BL)
    return weighed, _pairs(latest_BL, true_BL, valid_BL)


def _inside(
    reason: Weights, position_BL: Tensor, next_B: list[tuple[int, int]], causes: KnownCauses
) -> Iterator[tuple[float, float]]:
    """What was weighed inside the next item itself, or inside those items of the history that are its true causes."""
    assert reason.about is not None
    true = causes.true_words if reason.over == "word" else causes.true_regions
    about_BL = reason.about.cpu().numpy().reshape(len(next_B), -1)
    width = reason.value.shape[-1]
    value_BLP = reason.value.double().cpu().numpy().reshape(*about_BL.shape, width)
    valid_BLP = reason.valid.cpu().numpy().reshape(*about_BL.shape, width)
    for row, (user, position) in enumerate(next_B):
        weighed = about_BL[row] if reason.about.ndim == 1 else causes.earlier(user, position)
        for place, item in enumerate(about_BL[row].tolist()):
            if item in weighed:
                true_P = true(user, int(position_BL[row, place]), item)[:width]
                true_P = np.pad(true_P, (0, width - len(true_P)))
                yield from _pairs(value_BLP[row, place][None], true_P[None], valid_BLP[row, place][None])


def _pairs(value: np.ndarray, true: np.ndarray, valid: np.ndarray) -> Pairs:
    hits, chance = faithfulness.found(value, true, valid), faithfulness.chance(true, valid)
    return list(zip(hits.tolist(), chance.tolist(), strict=True))
