"""Settings that may have several values, of which validation chooses one."""

import itertools
from collections.abc import Sequence


def combinations(**settings: float | Sequence[float]) -> list[dict[str, float]]:
    """Every combination of settings of which each is a value or several; the last setting changes fastest."""
    listed = [list(value) if isinstance(value, Sequence) else [value] for value in settings.values()]
    return [dict(zip(settings, values, strict=True)) for values in itertools.product(*listed)]
