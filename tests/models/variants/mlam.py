"""Of mlam."""

from typing import Any

TINY: dict[str, Any] = {"dim": 8, "sentence": 2, "dropout": 0.0, "regularisation": 0.0}
VARIANTS: dict[str, dict[str, Any]] = {
    "whole": {},
    "content": {"row": False, "regularisation": 0.003},  # without it the law's sixty people are learnt by heart
    "one_sentence": {"sentence": 0, "negatives": 3},
    "image": {"views": ["image"]},
    "text": {"views": ["text"]},
    "hinge": {"loss": "hinge"},
    "pretrained": {"pretrain": 1, "regularisation": 1e-6},
}
UNFAITHFUL = set(VARIANTS)
