"""When a host may be asked next, for all threads together."""

import threading
import time

from stages.crawl.request_settings import Stopped

_SLOWER, _SLOWEST, _EASIER = 1.25, 8, 0.9995


class Pace:
    """Holds a host's askers back as long as it says, and lets them ask a fifth more slowly after each "too many".

    `rate` (calls a second) is where the slowing starts from, an eighth of it where it ends; each good answer takes a
    little of it back. Until a host complains nobody is held back here, unless `rate` holds `always`, for each host.
    """

    def __init__(self, rate: float, longest: float, always: bool = False) -> None:
        self.rate, self.longest = rate, longest
        self._least = 1 / rate if always else 0.0
        self._lock = threading.Lock()
        self._halted, self._why = threading.Event(), ""
        self._next: dict[str, float] = {}
        self._until: dict[str, float] = {}
        self._gap: dict[str, float] = {}

    def turn(self, host: str) -> None:
        """Sleep until `host` may be asked; Stopped when the crawl was halted."""
        with self._lock:
            now = time.monotonic()
            start = max(now, self._next.get(host, now))
            self._next[host] = start + self._gap.get(host, self._least)
        self.rest(start - now)

    def hold(self, host: str, wait: float, crowded: bool) -> None:
        """Let nobody ask `host` for `wait` seconds; where it was `crowded`, ask more slowly from then on.

        Raises:
            Stopped: that would be longer than the longest wait.
        """
        if wait > self.longest:
            raise Stopped(
                f"{host} asks to wait {wait:.0f} seconds, and crawl.longest_wait is {self.longest:g}; "
                f"run again later (what was answered before is kept)"
            )
        with self._lock:
            now = time.monotonic()
            # those who were already on their way when the first was refused bring no news
            if crowded and now >= self._until.get(host, 0.0):
                self._gap[host] = min(self._gap.get(host, 1 / self.rate) * _SLOWER, _SLOWEST / self.rate)
            self._until[host] = max(self._until.get(host, 0.0), now + wait)
            self._next[host] = max(self._next.get(host, 0.0), self._until[host])

    def ease(self, host: str) -> None:
        """`host` gave a good answer."""
        with self._lock:
            if host in self._gap:
                self._gap[host] = max(self._gap[host] * _EASIER, self._least)

    def rest(self, seconds: float) -> None:
        """Sleep, unless the crawl is halted: then Stopped."""
        if self._halted.is_set() or (seconds > 0 and self._halted.wait(seconds)):
            raise Stopped(self._why)

    def halt(self, why: str = "the crawl was halted") -> None:
        """Let nobody ask or sleep any longer; `why` is said to all who would have, the first time counts."""
        with self._lock:
            if not self._halted.is_set():
                self._why = why
                self._halted.set()
