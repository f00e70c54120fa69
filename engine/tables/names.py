"""What things that reasons name are called: items, words of texts, topics, categories, regions of pictures."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Names:
    """title_N of each item (its raw id where it has none; 0: ""), the words by number (0: none), and the number of each
    word of the table of words: term_X, 0 for one that is not worth naming; None where the model reads no words.
    `categories` by number, and category_N of each item (0: none; None: no item has one that is worth naming); `topics`
    by number, from 1; `boxes` [M][4] of an item's picture, by the item.
    """

    title_N: list[str]
    words: list[str] = field(default_factory=lambda: [""])
    term_X: np.ndarray | None = None
    categories: list[str] = field(default_factory=list)
    category_N: np.ndarray | None = None
    topics: Mapping[int, str] = field(default_factory=dict)
    boxes: Mapping[int, list[list[float]]] = field(default_factory=dict)
