"""Of ncf."""

from typing import Any

TINY: dict[str, Any] = {"dim": 2, "layers": 2, "pretraining": False}
VARIANTS: dict[str, dict[str, Any]] = {
    "gmf": {"towers": "gmf"},
    "mlp": {"towers": "mlp", "negatives": 2},
    "neumf": {"towers": "both"},
    "pretrained": {"towers": "both", "pretraining": True, "after_lr": 0.01},
    "one_layer": {"towers": "both", "layers": 1},
}
WIDER = {"dim": 64}
