"""Of dream."""

from typing import Any

TINY: dict[str, Any] = {"dim": 16, "length": 8, "dropout": 0.0, "shared": 6, "negatives": 3}
VARIANTS: dict[str, dict[str, Any]] = {
    "bpr": {"objective": "bpr"},
    "full": {"objective": "full"},
    "chunked": {"objective": "chunked"},
    "sampled": {},
    "sigmoid": {"cell": "sigmoid", "objective": "chunked"},
    "tanh": {"cell": "tanh", "objective": "bpr"},
    "relu": {"cell": "relu", "layers": 2, "objective": "chunked"},
}
SINGLE = True
