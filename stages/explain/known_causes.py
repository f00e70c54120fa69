"""Where the world was made, the causes of its acts: which earlier acts, words and regions led a person to each."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

COVERED = 0.5  # share of a region that a true box has to cover


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
