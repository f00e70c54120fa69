"""Of biases."""

from typing import Any

TINY: dict[str, Any] = {"user_damping": 1, "item_damping": 1, "length": 8}
VARIANTS: dict[str, dict[str, Any]] = {
    "both": {},
    "user": {"of": "user"},
    "item": {"of": "item"},
    "mean": {"of": "none"},
    "history": {"person": "history"},
    "user_history": {"of": "user", "person": "history"},
    "choices": {"person": "history", "length": [3, 8], "user_damping": [0.5, 1]},
}
SINGLE = True
EXACT = True
