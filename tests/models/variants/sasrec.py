"""Of sasrec."""

from typing import Any

TINY: dict[str, Any] = {"dim": 16, "inner": 16, "length": 8, "dropout": 0.0, "shared": 6, "negatives": 3}
VARIANTS: dict[str, dict[str, Any]] = {
    "chunked": {"objective": "chunked"},
    "full": {"objective": "full"},
    "sampled": {"objective": "sampled"},
    "bce": {"objective": "bce", "negatives": 3},
    "gbce": {"objective": "gbce", "negatives": 5},
    "cut": {"objective": "sampled", "shared_power": 0.0, "logq": False},
    "official": {"norm": "official"},
    "post": {"norm": "post"},
    "heads": {"heads": 4},
}
SLOW = {"sampled"}  # torch 2.11: .83 after 20 epochs
UNFAITHFUL = set(VARIANTS)
WIDER = {"dim": 256}
