"""Of bert4rec."""

from typing import Any

TINY: dict[str, Any] = {
    "dim": 16, "inner": 16, "blocks": 1, "length": 8, "dropout": 0.0, "mask": 0.4, "last": 0.5, "shared": 6
}  # fmt: skip
VARIANTS: dict[str, dict[str, Any]] = {
    "chunked": {},
    "ends": {"last": 1.0},
    "sampled": {"objective": "sampled", "shared": 12},
    "gbce": {"objective": "gbce", "negatives": 8},
    "heads": {"heads": 4},
    "deep": {"blocks": 2},
}
UNFAITHFUL = set(VARIANTS)
SLOW = {"sampled", "gbce"}
CLOZE = True
WIDER = {"dim": 256}
