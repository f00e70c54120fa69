"""Of ials."""

from typing import Any

TINY: dict[str, Any] = {"dim": 6, "unobserved": 0.1, "penalty": 0.01, "sweeps": 6, "length": 8}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "unscaled": {"scaling": 0.0, "penalty": 0.1},
    "wide": {"dim": 12},
    "last": {"length": [3, 8]},
    "choices": {"unobserved": [0.5, 0.1], "penalty": [0.1, 0.01], "length": [4, 8]},
}
SINGLE = True
EXACT = True
