"""Of caser."""

from typing import Any

TINY: dict[str, Any] = {
    "dim": 16, "window": 3, "horizontal": 4, "vertical": 2, "length": 8, "dropout": 0.0, "shared": 6,
}  # fmt: skip
VARIANTS: dict[str, dict[str, Any]] = {
    "bce": {},
    "bpr": {"objective": "bpr", "negatives": 2},
    "chunked": {"objective": "chunked"},
    "full": {"objective": "full"},
    "sampled": {"objective": "sampled"},
    "ahead": {"targets": 2, "objective": "chunked"},
    "no_person": {"person": False, "objective": "chunked"},
    "horizontal": {"vertical": 0, "objective": "chunked"},
    "vertical": {"horizontal": 0, "objective": "chunked"},
}
UNFAITHFUL = set(VARIANTS)
WITHOUT_WEIGHTS = {"vertical"}
AHEAD = {"ahead"}  # a target is learnt at several positions, so that its cost is not of one state
WIDER = {"dim": 128, "window": 9}
