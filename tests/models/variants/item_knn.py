"""Of item_knn."""

from typing import Any

TINY: dict[str, Any] = {"shrink": 1, "neighbours": 6, "length": 8}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "cosine": {"shrink": 0, "neighbours": 50},
    "last": {"length": [4, 8]},
    "choices": {"shrink": [5, 1], "neighbours": [6, 5], "length": [4, 8]},
}
SINGLE = True
EXACT = True
