"""What was lost of a whole: a warning above a tenth, an error where all is lost."""

import logging

MANY = 0.1  # a larger share of what was given is warned of

log = logging.getLogger(__name__)


def warn_many(lost: int, whole: int, message: str, many: float = MANY) -> None:
    """Log `message` as a warning where `lost` is more than a share `many` of `whole`."""
    if whole and lost / whole > many:
        log.warning("%s", message)


def refuse_all(lost: int, whole: int, message: str, left: float = 0.0) -> None:
    """Refuse where at most a share `left` of `whole` is not lost.

    Raises:
        ValueError: with `message`.
    """
    if whole and whole - lost <= left * whole:
        raise ValueError(message)
