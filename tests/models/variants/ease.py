"""Of ease."""

from typing import Any

TINY: dict[str, Any] = {"penalty": 1, "length": 8}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "few_items": {"items": 12},
    "last": {"length": [2, 8]},
    "choices": {"penalty": [5, 1], "length": [2, 8]},
}
SINGLE = True
EXACT = True
