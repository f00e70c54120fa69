"""Every variant that a model has, one model a file: a model without a file here fails the laws.

`TINY`: a section small enough to learn in a second; the rest is the default of its Config.
`VARIANTS`: overrides of it.

What a file may say besides, of the model:
`SET`: the history is a set, so that of what is one step from it the model cannot tell first from last for certain.
`EXACT`: an event of presence 0 is as one that never was.
`SINGLE`: an item is one vector or number, and nothing meets it that could be mute.
`CLOZE`: it learns from gaps in whole rows: no place is learnt as it is ranked, and order is learnt all the same.
`WIDER`: settings of a larger form, whose start is measured too.

And of some variants:
`SETS`: as `SET`. `SLOW`: they need more epochs. `WITHOUT_WEIGHTS`: they have no reasons of their own.
`UNFAITHFUL`: their reasons over the history were not what the score was made from.
`AHEAD`: they learn a target at several positions, so that what it costs is not of one state.
"""

import importlib
import pkgutil
from typing import Any

import models

FOUND = sorted(m.name for m in pkgutil.iter_modules(models.__path__) if not m.ispkg)
_OF = {m.name: importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)}

TINY: dict[str, dict[str, Any]] = {name: module.TINY for name, module in _OF.items()}
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {name: module.VARIANTS for name, module in _OF.items()}
WIDER: dict[str, dict[str, Any]] = {name: module.WIDER for name, module in _OF.items() if hasattr(module, "WIDER")}
CASES = [(name, variant) for name in FOUND for variant in VARIANTS.get(name, {})]


def models_that(say: str) -> set[str]:
    """The models whose file sets a flag."""
    return {name for name, module in _OF.items() if getattr(module, say, False)}


def variants_that(are: str) -> set[tuple[str, str]]:
    """The variants that their models' files list under a name."""
    return {(name, variant) for name, module in _OF.items() for variant in getattr(module, are, ())}
