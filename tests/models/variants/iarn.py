"""Of iarn."""

from typing import Any

TINY: dict[str, Any] = {"dim": 6, "hidden": 8, "inner": 8, "length": 8, "item_length": 6, "dropout": 0.0}
VARIANTS: dict[str, dict[str, Any]] = {
    "iarn_flat": {"features": "flat"},
    "iarn_hierarchical": {"features": "hierarchical"},
    "iarn_plain": {"features": "none"},
    "tagm_backbone": {"features": "none", "gate": "own"},
    "rnn_backbone": {"features": "none", "gate": "none"},
    "lstm_backbone": {"features": "none", "gate": "none", "cell": "lstm"},
    "without_ratings": {"ratings": False},
    "official": {"readings": {"scale": 2.0, "summary": 0.25, "activation": "softplus"}},
    "ranking": {"loss": "ranking", "negatives": 3},
    "ranking_without_ratings": {"loss": "ranking", "ratings": False, "features": "none"},
    "ranking_tagm": {"loss": "ranking", "gate": "own", "features": "none"},
    "ranking_lstm": {"loss": "ranking", "gate": "none", "cell": "lstm", "features": "none"},
}
WITHOUT_WEIGHTS = {"rnn_backbone", "lstm_backbone", "ranking_lstm"}
UNFAITHFUL = set(VARIANTS)
WIDER = {"dim": 50}
