"""Of jrl."""

from typing import Any

TINY: dict[str, Any] = {"dim": 4, "hidden": 6, "regularisation": 0.0, "read": 64, "shared": 6}
VARIANTS: dict[str, dict[str, Any]] = {
    "words": {},
    "vector": {"text": "vector", "negatives": 3},
    "image": {"views": ["image"]},
    "text": {"views": ["text"]},
    "apart": {"apart": True},
    "nce": {"joint": "nce", "regularisation": 0.001},
    "nce_apart": {"joint": "nce", "apart": True, "regularisation": 0.001},
}
UNFAITHFUL = set(VARIANTS)
SLOW = {"nce"}
