"""Of ctr_bpr."""

from typing import Any

TINY: dict[str, Any] = {"held": 1, "item_ridge": 0.0, "user_ridge": 0.0}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "at_once": {"held": 0, "negatives": 3},
    "ridged": {"item_ridge": 0.01, "user_ridge": 0.01},
}
SINGLE = True
UNFAITHFUL = set(VARIANTS)
