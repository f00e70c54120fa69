"""Of mp2vec."""

from typing import Any

TINY: dict[str, Any] = {"dim": 8, "length": 8, "negatives": 3, "rho": 0.0, "window": 3, "epochs": 10, "lr": 0.1}
VARIANTS: dict[str, dict[str, Any]] = {
    "foretold": {},
    "mean": {"nearness": "mean"},
    "sum": {"nearness": "sum"},
    "prod2vec": {"metadata": 0.0, "rho": 0.05},
    "choices": {"metadata": [0.0, 0.3]},
}
SINGLE = True
EXACT = True
UNFAITHFUL = {"foretold", "prod2vec", "choices"}
