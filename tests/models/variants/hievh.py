"""Of hievh."""

from typing import Any

TINY: dict[str, Any] = {"dim": 4, "epochs": 10, "penalty": 0.05, "rate": 0.02}
VARIANTS: dict[str, dict[str, Any]] = {
    "tree": {},
    "related": {"alpha": 1.0, "margin": 0.1},
    "none": {"categories": "none"},
    "choices": {"epochs": [5, 10], "penalty": [0.02, 0.05]},
}
SINGLE = True
WITHOUT_WEIGHTS = ["none"]
UNFAITHFUL = ["tree", "related", "none", "choices"]  # reasons over categories, none over a history
