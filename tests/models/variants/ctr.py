"""Of ctr."""

from typing import Any

TINY: dict[str, Any] = {"item_ridge": 1, "turns": 3}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "choices": {"item_ridge": [0.1, 10]},
}
SINGLE = True
UNFAITHFUL = set(VARIANTS)
