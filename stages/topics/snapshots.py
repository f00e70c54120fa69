"""Topics as they stood while documents were read, in time order."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.tables.schemas import TOPIC_SNAPSHOTS
from stages.topics.quality import top_words


class Snapshots:
    """Takes `count` snapshots, evenly over the documents in time order; the last is of the topics as they are left."""

    def __init__(self, window: pl.Series, words: list[str], count: int, relevance: float, top: int):
        self._window, self._words, self._relevance, self._top = window, words, relevance, top
        self._due = np.ceil(np.linspace(0, len(window), count + 1)[1:]).astype(int).tolist()
        self._taken: list[pl.DataFrame] = []

    def __call__(self, documents: int, weight_TV: NDArray[np.float64]) -> None:
        """Take one if it is due: `documents` have been read, and the topics weigh so (any scale, above 0)."""
        if not self._due or documents < self._due[0]:
            return
        self._due = [due for due in self._due if due > documents]
        word_TV = weight_TV / weight_TV.sum(axis=1, keepdims=True)
        best_TR = top_words(word_TV, weight_TV.sum(axis=0) / weight_TV.sum(), self._relevance, self._top)
        columns = {
            "documents": np.full(len(word_TV), documents),
            "window": [self._window[documents - 1]] * len(word_TV),
            "topic": np.arange(1, len(word_TV) + 1),
            "share": weight_TV.sum(axis=1) / weight_TV.sum(),
            "words": [[self._words[v] for v in row] for row in best_TR.tolist()],
        }
        self._taken.append(pl.DataFrame(columns, schema=dict(TOPIC_SNAPSHOTS.columns)))

    def table(self) -> pl.DataFrame:
        """Those taken so far, in order."""
        return pl.concat([pl.DataFrame(schema=dict(TOPIC_SNAPSHOTS.columns)), *self._taken])
