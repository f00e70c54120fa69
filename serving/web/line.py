"""Questions that wait their turn: worked on in the order of asking by one thread, no more of them than said."""

import asyncio
import math
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
KEPT = 0.9  # of what was known of a question's seconds when one more was answered


class Busy(Exception):
    """No question is taken: as many wait as may, or the server stops. `seconds`: until there may be room again."""

    def __init__(self, why: str, seconds: int):
        super().__init__(f"{why}: ask again in {seconds} s")
        self.seconds = seconds


class HungUp(Exception):
    """Who asked has gone before the question was begun."""


class Line:
    """One thread, so that memory stays that of one question, and at most `longest` questions that wait for it."""

    def __init__(self, name: str, longest: int):
        self._worker = ThreadPoolExecutor(1, name)
        self._longest = longest
        self._open: set[Future[Any]] = set()  # that wait or are worked on
        self._seconds = 1.0  # that a question takes
        self._stopped = False

    @property
    def waiting(self) -> int:
        """Questions that are not begun."""
        return max(len(self._open) - 1, 0)

    def stop(self) -> bool:
        """Refuse what waits and what comes; gives whether a question is begun, which comes to its end."""
        self._stopped = True
        begun = [work for work in list(self._open) if not work.cancel()]
        return bool(begun)

    async def turn(self, ask: Callable[[], T], gone: Coroutine[Any, Any, None]) -> T:
        """What `ask` gives once it is its turn. `gone` returns when who asked has hung up: what is not begun then never
        is, and what is begun comes to its end.

        Raises:
            Busy: as many wait as may, or the line is stopped.
            HungUp: who asked has gone.
        """
        if self._stopped or self.waiting >= self._longest:
            gone.close()
            raise self._busy()
        work = self._worker.submit(self._timed, ask)
        self._open.add(work)
        work.add_done_callback(self._open.discard)
        left = asyncio.ensure_future(gone)
        left.add_done_callback(lambda _: work.cancel())  # does nothing to what is begun
        try:
            return await asyncio.wrap_future(work)
        except asyncio.CancelledError:
            if self._stopped:
                raise self._busy() from None
            if left.done() and not left.cancelled():
                raise HungUp from None
            raise
        finally:
            left.cancel()

    def _busy(self) -> Busy:
        if self._stopped:
            return Busy("this server stops", 10)
        seconds = math.ceil(self.waiting * self._seconds)
        return Busy(f"{self.waiting} questions wait already, as many as may", seconds)

    def _timed(self, ask: Callable[[], T]) -> T:
        begun = time.monotonic()
        found = ask()
        self._seconds = KEPT * self._seconds + (1 - KEPT) * (time.monotonic() - begun)
        return found
