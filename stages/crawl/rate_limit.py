"""When a host may be asked next, for all threads together."""

import threading
import time

from stages.crawl.failures import CrawlStopped

_SLOWER, _SLOWEST, _EASIER = 1.25, 8, 0.9995


class RateLimit:
    """Spaces the requests to a host, holds them back as long as it says, and asks more slowly after each "too many".

    `rate` requests a second, to the host `limited` or, where that is empty, to each; another host is asked as fast as
    it goes until it complains. Each "too many" makes the gap a quarter longer, up to an eighth of the rate; each good
    answer takes a little of it back. Every wait ends when the crawl stops.
    """

    def __init__(self, rate: float, longest_wait: float, limited: str = "") -> None:
        self.rate, self.longest_wait, self.limited = rate, longest_wait, limited
        self._lock = threading.Lock()
        self._stopped, self._reason = threading.Event(), ""
        self._next: dict[str, float] = {}
        self._until: dict[str, float] = {}
        self._gap: dict[str, float] = {}

    def acquire(self, host: str) -> None:
        """Sleep until `host` may be asked; CrawlStopped when the crawl was stopped."""
        with self._lock:
            now = time.monotonic()
            start = max(now, self._next.get(host, now))
            self._next[host] = start + self._gap.get(host, self._least(host))
        self.sleep(start - now)

    def back_off(self, host: str, seconds: float, rate_limited: bool) -> None:
        """Let nobody ask `host` for some seconds; where it was `rate_limited`, ask more slowly from then on.

        Raises:
            CrawlStopped: that would be longer than the longest wait.
        """
        if seconds > self.longest_wait:
            raise CrawlStopped(
                f"{host} asks to wait {seconds:.0f} seconds, and longest_wait is {self.longest_wait:g}; "
                f"run again later (what was answered before is kept)"
            )
        with self._lock:
            now = time.monotonic()
            # those who were already on their way when the first was refused bring no news
            if rate_limited and now >= self._until.get(host, 0.0):
                self._gap[host] = min(self._gap.get(host, 1 / self.rate) * _SLOWER, _SLOWEST / self.rate)
            self._until[host] = max(self._until.get(host, 0.0), now + seconds)
            self._next[host] = max(self._next.get(host, 0.0), self._until[host])

    def succeeded(self, host: str) -> None:
        """`host` gave a good answer."""
        with self._lock:
            if host in self._gap:
                self._gap[host] = max(self._gap[host] * _EASIER, self._least(host))

    def sleep(self, seconds: float) -> None:
        """Sleep, unless the crawl is stopped: then CrawlStopped."""
        if self._stopped.is_set() or (seconds > 0 and self._stopped.wait(seconds)):
            raise CrawlStopped(self._reason)

    def stop(self, reason: str) -> None:
        """Let nobody ask or sleep any longer; `reason` is said to all who would have, the first one counts."""
        with self._lock:
            if not self._stopped.is_set():
                self._reason = reason
                self._stopped.set()

    def _least(self, host: str) -> float:
        return 1 / self.rate if self.limited in ("", host) else 0.0
