"""Of fism."""

from typing import Any

TINY: dict[str, Any] = {"dim": 16, "length": 8}
VARIANTS: dict[str, dict[str, Any]] = {
    "log": {},
    "sum": {"alpha": 0.0},
    "mean": {"alpha": 1.0, "negatives": 2},
    "squared": {"loss": "squared"},
    "auc": {"loss": "auc", "negatives": 2},
    "others": {"history": "others"},
    "recency": {"recency": True},
}
SET = True  # its history is a set: of what is one step from it, it cannot tell first from last for certain
SINGLE = True
EXACT = True
