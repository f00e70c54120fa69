"""Of s3rec."""

from typing import Any

TINY: dict[str, Any] = {
    "dim": 16, "inner": 16, "length": 8, "dropout": 0.0, "shared": 6, "negatives": 3, "pretraining": {"epochs": 2}
}  # fmt: skip
VARIANTS: dict[str, dict[str, Any]] = {
    "whole": {},
    "printed": {"pretraining": {"epochs": 2, "contrast": "printed"}},
    "attributes": {"pretraining": {"epochs": 2, "mip": 0.0, "sp": 0.0}},
    "items": {"pretraining": {"epochs": 2, "aap": 0.0, "map": 0.0}},
    "without": {"pretraining": {"epochs": 0}},
    "bce": {"objective": "bce"},
}
UNFAITHFUL = set(VARIANTS)
WIDER = {"dim": 256}
