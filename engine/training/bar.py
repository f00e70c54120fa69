"""Progress on a terminal."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from rich import get_console
from rich.progress import track

Step = TypeVar("Step")


def bar(steps: Sequence[Step], title: str) -> Iterable[Step]:
    """The steps, with a bar that is gone at the end; none where there is no terminal."""
    return track(steps, title, transient=True, disable=not get_console().is_terminal)
