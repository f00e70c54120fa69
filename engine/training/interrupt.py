"""Ctrl-C where what was reached is not kept yet: it waits until it is."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class Interrupt:
    """Whether a stop was asked for."""

    asked: bool = False


@contextmanager
def delayed(waits: Callable[[], bool]) -> Iterator[Interrupt]:
    """A first Ctrl-C while something `waits` to be kept is noted, so that the block can keep it and stop; else, and
    the second time, it stops at once. Threads cannot take signals: in one nothing changes.
    """
    found = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield found
        return

    def ask(number: int, frame: FrameType | None) -> None:
        if found.asked or not waits():
            raise KeyboardInterrupt
        found.asked = True

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield found
    finally:
        signal.signal(signal.SIGINT, before)
