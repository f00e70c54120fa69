"""Of hyperrec."""

from typing import Any

TINY: dict[str, Any] = {
    "dim": 16,
    "inner": 16,
    "length": 8,
    "periods": 3,
    "layers": 1,
    "dropout": 0.0,
    "graph_dropout": 0.0,
    "shared": 6,
    "negatives": 3,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "sampled": {},
    "bce": {"objective": "bce"},
    "full": {"objective": "full"},
    "chunked": {"objective": "chunked"},
    "two_layers": {"layers": 2},
    "no_layers": {"layers": 0},
    "one_period": {"periods": 1, "layers": 1},
    "heads": {"heads": 2},
}
SLOW = {"heads", "sampled", "two_layers", "no_layers", "one_period"}  # torch 2.11: .75 after 20 epochs
UNFAITHFUL = set(VARIANTS)
