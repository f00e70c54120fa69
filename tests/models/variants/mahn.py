"""Of mahn."""

from typing import Any

TINY: dict[str, Any] = {"dim": 8, "length": 8, "dropout": 0.0, "shared": 6, "negatives": 3, "objective": "bpr"}
VARIANTS: dict[str, dict[str, Any]] = {
    "cat_cat": {},
    "add_add": {"first": "sum", "second": "sum"},
    "add_cat": {"first": "sum"},
    "cat_add": {"second": "sum"},
    "no_image": {"views": ["text"]},
    "no_text": {"views": ["image"]},
    "no_views": {"views": []},
    "open": {"gates": "open"},
    "first_layer": {"scored": "first"},
    "no_reconstruction": {"reconstruction": 0.0},
    "full": {"objective": "full"},
    "chunked": {"objective": "chunked"},
    "sampled": {"objective": "sampled"},
}
UNFAITHFUL = set(VARIANTS)
WIDER = {"dim": 100}
