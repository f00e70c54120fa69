"""Of bpr_mf."""

from typing import Any

TINY: dict[str, Any] = {"dim": 8, "regularisation": 0.0}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "negatives": {"negatives": 3},
    "regularised": {"regularisation": 0.001},
}
SINGLE = True
