"""Of vbpr."""

from typing import Any

TINY: dict[str, Any] = {"dim": 8, "visual": 4, "regularisation": 0.0}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "both": {"views": ["image", "text"]},
    "none": {"views": []},
    "none_log": {"views": [], "loss": "log", "item_bias": False},
    # with one vector for both spaces, wider ones learn the law's sixty people by heart
    "shared": {"space": "shared", "dim": 2},
    "amr": {"dim": 2, "space": "shared", "item_bias": False, "visual_bias": False, "loss": "log", "negatives": 4},
    "regularised": {"regularisation": 0.001, "features": 0.001, "negatives": 3},
}
UNFAITHFUL = set(VARIANTS)
