"""Of dhcn."""

from typing import Any

TINY: dict[str, Any] = {"dim": 16, "layers": 1, "contrast": 0.02, "length": 8, "dropout": 0.0, "shared": 6}
VARIANTS: dict[str, dict[str, Any]] = {
    "s2": {},
    "layers": {"layers": 3, "contrast": 0.0},
    "dhcn": {"contrast": 0.0},
    "attached": {"detached": False},
    "no_layers": {"layers": 0},
    "no_positions": {"positions": False},
    "full": {"objective": "full"},
    "sampled": {"objective": "sampled", "layers": 0},
}
SLOW = {"layers", "sampled"}  # means over whole histories leave items much alike
SETS = {"no_positions"}
WIDER = {"dim": 256}
