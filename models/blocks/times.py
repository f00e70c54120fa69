"""When things were done, in slots of an hour."""

from torch import Tensor

SLOTS = 169  # 168 hours of a week, and one slot for what is beyond
HOUR = 3600
MONDAY = 72  # hours from the Monday before to the epoch, which was a Thursday


def hour_of_week(time: Tensor) -> Tensor:
    """The hour of the week of unix seconds, UTC: Monday 00:00 is 0, at most 167."""
    return (time // HOUR + MONDAY) % 168


def gap(now: Tensor, then: Tensor) -> Tensor:
    """Whole hours from `then` to `now` (unix seconds), at most 168, which stands for all that is older."""
    return ((now - then) // HOUR).clamp(0, SLOTS - 1)
