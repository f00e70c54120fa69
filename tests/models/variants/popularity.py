"""Of popularity."""

from typing import Any

TINY: dict[str, Any] = {}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
}
SINGLE = True
