"""Every variant that a model has, one model a file: a model without a file here fails the laws.

`TINY`: a section small enough to learn in a second; the rest is the default of its Config. `VARIANTS`: overrides of it.
A file may say besides: `SET`: the history is a set, so that of what is one step from it the model cannot tell first
from last for certain; `SINGLE`: an item is one vector or number, and nothing meets it that could be mute;
`SLOW`, `WITHOUT_WEIGHTS`, `UNFAITHFUL`: variants that need more epochs, that have no reasons of their own, or whose
reasons over the history were not what the score was made from; `AHEAD`: that learn the next two events at each
position alike, so that a target's cost is not of one state.
"""

import importlib
import pkgutil
from typing import Any

import models

FOUND = sorted(m.name for m in pkgutil.iter_modules(models.__path__) if not m.ispkg)
_OF = {m.name: importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)}

TINY: dict[str, dict[str, Any]] = {name: module.TINY for name, module in _OF.items()}
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {name: module.VARIANTS for name, module in _OF.items()}
CASES = [(name, variant) for name in FOUND for variant in VARIANTS.get(name, {})]


def models_that(say: str) -> set[str]:
    """The models whose file sets a flag."""
    return {name for name, module in _OF.items() if getattr(module, say, False)}


def variants_that(are: str) -> set[tuple[str, str]]:
    """The variants that their models' files list under a name."""
    return {(name, variant) for name, module in _OF.items() for variant in getattr(module, are, ())}
