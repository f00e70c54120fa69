"""Of item2vec."""

from typing import Any

TINY: dict[str, Any] = {"dim": 8, "length": 8, "negatives": 3, "rho": 0.0, "epochs": 10, "lr": 0.1}
VARIANTS: dict[str, dict[str, Any]] = {
    "foretold": {},
    "mean": {"nearness": "mean"},
    "sum": {"nearness": "sum"},
    "thinned": {"rho": 0.05},
    "choices": {"power": [0.75, -0.5], "rho": [0.0, 0.05]},
}
SINGLE = True
EXACT = True
UNFAITHFUL = {"foretold", "thinned", "choices"}
