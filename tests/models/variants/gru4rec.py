"""Of gru4rec."""

from typing import Any

TINY: dict[str, Any] = {"dim": 16, "length": 8, "dropout": 0.0, "shared": 6, "negatives": 3}
VARIANTS: dict[str, dict[str, Any]] = {
    "chunked": {"objective": "chunked"},
    "full": {"objective": "full"},
    "sampled": {"objective": "sampled"},
    "bpr_max": {"objective": "bpr_max", "elu": 0.5},
    "bpr_max_straight": {"objective": "bpr_max", "elu": 0},
    "bce": {"objective": "bce"},
    "gbce": {"objective": "gbce", "negatives": 5},
    "cut": {"objective": "sampled", "shared_power": 0.0, "logq": False},
    "untied": {"tied": False},
    "layers": {"layers": 2},
}
SINGLE = True
