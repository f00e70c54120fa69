"""Of fdsa."""

from typing import Any

TINY: dict[str, Any] = {"dim": 16, "inner": 16, "length": 8, "dropout": 0.0, "shared": 6, "negatives": 3}
VARIANTS: dict[str, dict[str, Any]] = {
    "categories": {},
    "all": {"features": ["text", "categories", "image"]},
    "views": {"features": ["image", "text"], "heads": 4},
    "post": {"norm": "post"},
    "sampled": {"objective": "sampled"},
    "bce": {"objective": "bce"},
}
UNFAITHFUL = set(VARIANTS)
WIDER = {"dim": 256}
