"""Of timesvd."""

from typing import Any

TINY: dict[str, Any] = {"dim": 4, "epochs": 10, "penalty": 0.05, "rate": 0.02, "bins": 4}
VARIANTS: dict[str, dict[str, Any]] = {
    "daily": {},
    "linear": {"drift": "linear", "clip": True},
    "svdpp": {"drift": "none"},
    "explicit": {"drift": "daily", "implicit": False},
    "choices": {"epochs": [5, 10], "penalty": [0.02, 0.05]},
}
SINGLE = True
