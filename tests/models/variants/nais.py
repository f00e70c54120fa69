"""Of nais."""

from typing import Any

TINY: dict[str, Any] = {"dim": 16, "hidden": 8, "length": 8, "pretraining": False}
VARIANTS: dict[str, dict[str, Any]] = {
    "product": {"attention": "product"},
    "concatenation": {"attention": "concatenation"},
    "pretrained": {"pretraining": True},
    "softmax": {"beta": 1.0, "negatives": 2, "attention": "concatenation"},
    "sum": {"beta": 0.0, "attention": "concatenation"},
    "mean": {"alpha": 0.5},
    "others": {"history": "others"},
    "recency": {"recency": True, "pretraining": True},
}
SET = True  # its history is a set: of what is one step from it, it cannot tell first from last for certain
WIDER = {"dim": 64, "hidden": 64, "attention": "concatenation"}
EXACT = True
