"""Of mv_rnn."""

from typing import Any

TINY: dict[str, Any] = {"dim": 8, "length": 8, "dropout": 0.0, "shared": 6, "negatives": 3, "objective": "bpr"}
VARIANTS: dict[str, dict[str, Any]] = {
    "whole": {},
    "two_units": {"units": 2},
    "con": {"fusion": "concatenation"},
    "con_two_units": {"fusion": "concatenation", "units": 2},
    "fus": {"fusion": "addition"},
    "fus_two_units": {"fusion": "addition", "units": 2},
    "no_image": {"views": ["text"]},
    "no_text": {"views": ["image"], "fusion": "concatenation"},
    "no_views": {"views": []},
    "pretrained": {"pretraining": 2},
    "uncorrupted": {"corruption": 0.0},
    "full": {"objective": "full"},
    "chunked": {"objective": "chunked"},
    "sampled": {"objective": "sampled"},
}
UNFAITHFUL = set(VARIANTS)
WIDER = {"dim": 128}
