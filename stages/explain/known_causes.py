"""Where the world was made, the causes of its acts: which earlier acts, words, regions and topics led to each."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

COVERED = 0.5  # share of a region that a true box has to cover


@dataclass(frozen=True)
class KnownCauses:
    """The causes by (user, position), the words of each item's text, the boxes of its picture's regions [M, 4]; which
    of the fitted topics, from 0, each cause's theme is.
    """

    by_event: dict[tuple[int, int], dict[str, Any]]
    words: dict[int, list[str]]
    boxes: dict[int, np.ndarray]
    topics: dict[str, int]

    @staticmethod
    def of(truth: pl.DataFrame, words: pl.DataFrame, regions: pl.DataFrame, topic_words: pl.DataFrame) -> "KnownCauses":
        """From the tables, which may have no rows."""
        boxes = {
            item: np.array(box, dtype=np.float64).reshape(-1, 4)
            for item, box in regions.select("item", "box").iter_rows()
        }
        by_event = {(row["user"], row["position"]): row for row in truth.iter_rows(named=True)}
        told = dict(words.select("item", "token").iter_rows())
        return KnownCauses(by_event, told, boxes, fitted_topics(truth, topic_words))

    def true_words(self, user: int, position: int, item: int) -> np.ndarray:
        """Which words of an item's text made this person act on it, at this position of the person's events."""
        true = {str(word).lower() for word in self._column(user, position, "words")}
        return np.array([word.lower() in true for word in self.words.get(item, [])], dtype=bool)

    def true_regions(self, user: int, position: int, item: int) -> np.ndarray:
        """Which regions of an item's picture show what made this person act on it, at this position."""
        box, boxes_M4 = self._column(user, position, "box"), self.boxes.get(item, np.zeros((0, 4)))
        return covered(boxes_M4, np.array(box)) >= COVERED if len(box) else np.zeros(len(boxes_M4), dtype=bool)

    def true_views(self, user: int, position: int, item: int) -> np.ndarray:
        """Whether this person acted on the item, at this position, for its picture, and whether for its text."""
        return np.array([len(self._column(user, position, name)) > 0 for name in ("box", "words")])

    def true_topic(self, user: int, position: int, topics: int) -> np.ndarray:
        """Which of so many topics the theme is that led this person to the event at a position."""
        theme = str(self.by_event.get((user, position), {}).get("topic"))
        true_T: np.ndarray = np.arange(topics) == self.topics.get(theme, -1)
        return true_T

    def earlier(self, user: int, position: int) -> list[int]:
        """Which earlier items led this person to the event at a position."""
        return [int(found) for found in self._column(user, position, "earlier")]

    def _column(self, user: int, position: int, name: str) -> list[Any]:
        found = self.by_event.get((user, position), {}).get(name)
        return [] if found is None else list(found)


def fitted_topics(truth: pl.DataFrame, topic_words: pl.DataFrame) -> dict[str, int]:
    """The fitted topic, from 0, in which the words of each theme weigh most; none where no topic names one of them."""
    said = truth.select("topic", pl.col("words").alias("word")).drop_nulls().explode("word").drop_nulls()
    said = said.select("topic", pl.col("word").str.to_lowercase()).unique()
    fitted = topic_words.select("word", "weight", fitted="topic")
    mass = said.join(fitted, on="word").group_by("topic", "fitted").agg(pl.col("weight").sum())
    heaviest = mass.sort("weight", "fitted", descending=[True, False]).unique(
        "topic", keep="first", maintain_order=True
    )
    return {theme: number - 1 for theme, number in heaviest.select("topic", "fitted").iter_rows()}


def covered(boxes_M4: np.ndarray, box_4: np.ndarray) -> np.ndarray:
    """The share of each box (left, top, right, bottom) that lies in another."""
    low, high = np.maximum(boxes_M4[:, :2], box_4[:2]), np.minimum(boxes_M4[:, 2:], box_4[2:])
    inside = (high - low).clip(min=0).prod(axis=1)
    found: np.ndarray = inside / np.maximum((boxes_M4[:, 2:] - boxes_M4[:, :2]).prod(axis=1), 1e-12)
    return found
