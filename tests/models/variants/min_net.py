"""Of min_net."""

from typing import Any

TINY: dict[str, Any] = {
    "dim": 16,
    "inner": 16,
    "length": 8,
    "dropout": 0.0,
    "shared": 6,
    "negatives": 4,
    "objective": "bce_popular",
}
VARIANTS: dict[str, dict[str, Any]] = {
    "whole": {},
    "printed_attention": {"inner": 0},
    "printed_sum": {"inner": 0, "fusion": "sum"},
    "no_translation": {"translation": "none"},
    "own_translation": {"translation": "own"},
    "last": {"sequence": "last"},
    "no_image": {"views": ["text"]},
    "no_text": {"views": ["image"]},
    "no_views": {"views": []},
    "product": {"fusion": "product"},
    "sum": {"fusion": "sum"},
    "parallel_lstm": {"sequence": "parallel_lstm"},
    "mixed_lstm": {"sequence": "mixed_lstm"},
    "next_alone": {"auxiliary": {"translation": 0.0, "contrast": 0.0, "form": "logistic", "detach": False}},
    "next_and_translation": {"auxiliary": {"translation": 0.1, "contrast": 0.0, "form": "logistic", "detach": False}},
    "next_and_contrast": {"auxiliary": {"translation": 0.0, "contrast": 0.1, "form": "logistic", "detach": False}},
    "printed_contrast": {"auxiliary": {"translation": 0.1, "contrast": 0.1, "form": "printed", "detach": False}},
    "detached": {"auxiliary": {"translation": 0.1, "contrast": 0.1, "form": "logistic", "detach": True}},
    "bce": {"objective": "bce", "negatives": 3},
    "bce_popular": {"objective": "bce_popular"},
    "full": {"objective": "full"},
    "chunked": {"objective": "chunked"},
    "sampled": {"objective": "sampled"},
}
SLOW = {"product"}  # products of small numbers start slowly; on one thread 20 epochs gave .89
UNFAITHFUL = set(VARIANTS)
WIDER = {"dim": 128}
