"""Of mf."""

from typing import Any

TINY: dict[str, Any] = {"dim": 4, "epochs": 20, "penalty": 0.05, "rate": 0.02}
VARIANTS: dict[str, dict[str, Any]] = {
    "biased_sgd": {},
    "biased_als": {"solver": "als"},
    "unbiased_sgd": {"bias": "none"},
    "unbiased_als": {"bias": "none", "solver": "als"},
    "choices": {"epochs": [5, 20], "penalty": [0.02, 0.05]},
}
SINGLE = True
