"""Of iris."""

from typing import Any

TINY: dict[str, Any] = {"dim": 16, "hidden": 7, "length": 8}
VARIANTS: dict[str, dict[str, Any]] = {
    "multimodal": {"fusion": "shared"},
    "added": {"fusion": "added"},
    "image": {"fusion": "image"},
    "text": {"fusion": "text"},
    "tanh": {"unit": "tanh"},
    "relu": {"unit": "relu"},
    "zeros": {"missing": "zeros"},
    "as_given": {"standard": False},
    "item_bias": {"item_bias": True, "alpha": 0.5},
    "softmax": {"beta": 1.0, "negatives": 2},
    "sum": {"beta": 0.0},
    "others": {"history": "others"},
    "others_image": {"history": "others", "fusion": "image"},
    "recency": {"recency": True},
}
SET = True  # its history is a set: of what is one step from it, it cannot tell first from last for certain
EXACT = True
