"""A run whose numbers are no longer finite ends at once, by name."""

import math

from torch import nn

from engine.training.schedule import Train


def refuse_divergence(where: str, loss: float, norm: float, settings: Train) -> None:
    """Refuse a step whose loss, or whose gradient's norm, is not finite.

    Raises:
        FloatingPointError: names the step, what was found and the settings that would do.
    """
    if math.isfinite(loss) and math.isfinite(norm):
        return
    what = f"the gradient's norm is {norm}" if math.isfinite(loss) else f"the loss is {loss}"
    raise FloatingPointError(
        f"{where}: {what}; nothing was kept. A lower lr (now {settings.lr}), a smaller clip (now {settings.clip}) or "
        "32-true precision would do"
    )


def finite(model: nn.Module) -> bool:
    """Whether every number that the model keeps is finite."""
    return all(bool(kept.isfinite().all()) for kept in model.state_dict().values() if kept.is_floating_point())
