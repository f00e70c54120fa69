"""One polite, resumable way to ask any service: kept answers first, then the net, within its rate, again on failure."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from urllib3.exceptions import MaxRetryError
from urllib3.util.retry import Retry

from stages.crawl.answer_store import Answer, AnswerStore, Kind
from stages.crawl.api_key import ApiKey
from stages.crawl.failures import CrawlStopped, RequestFailed, TransientFailure
from stages.crawl.http import HttpClient
from stages.crawl.rate_limit import RateLimit
from stages.crawl.request_settings import RequestSettings

_LOCKS = 1024  # so that one address is asked for once, whoever wants it; more locks, fewer chance meetings
_SLEEP = 0.5  # seconds; the main thread sees Ctrl-C when it wakes
_STOPPED = "the crawl was stopped"
_LEAVE = 2.0  # seconds in which a thread leaves a socket that was shut


class Fetcher:
    """Asks for addresses, from several threads at once.

    urllib3's Retry is the rule, driven from here and not inside the adapter: so each try passes the rate limit, and
    one budget covers all sorts of failures (cut and garbled bodies too).
    """

    def __init__(self, settings: RequestSettings, key: ApiKey | None, store: AnswerStore) -> None:
        self.settings, self.store = settings, store
        self.client = HttpClient(settings, key)
        self.base = self.client.base
        self._leave = settings.deadline
        self.tally: Counter[str] = Counter()
        self._tally_lock = threading.Lock()
        self._idle, self._busy = threading.Condition(), 0
        self._locks = [threading.Lock() for _ in range(_LOCKS)]
        self.rate_limit = RateLimit(settings.rate, settings.longest_wait, limited=self.base)
        self._retry = Retry(total=settings.retries, backoff_factor=settings.backoff, backoff_max=settings.longest_wait)

    def get(self, address: str, kind: Kind, read: Callable[[Answer], str], public: bool = False) -> Answer:
        """The answer for `address`, kept or asked for; `read` gives its metadata, or TransientFailure for garbage.

        An address under the service's base is signed and counts for its rate. One that came from the net is asked as
        `public`: unsigned, from public hosts alone, over a few redirects.

        Raises:
            RequestFailed: no answer after all tries, or one that no further try would better.
            CrawlStopped: the crawl has to end.
        """
        with self._working(), self._locks[hash(address) % _LOCKS]:
            kept = self.store.get(address, kind)
            if kept is not None:
                self._count("kept")
                return kept
            answer = self._ask(address, read, self.client.get_public if public else self.client.get)
            self.store.put(address, kind, answer)
            return answer

    def counts(self) -> tuple[int, int, int]:
        """Requests made, answers that were kept already, failed tries."""
        return self.tally["asked"], self.tally["kept"], self.tally["failures"]

    def stop(self) -> None:
        """Let nobody ask any longer; what is under way may come to its end."""
        self.rate_limit.stop(_STOPPED)

    def abort(self) -> None:
        """Let nobody ask or read any longer."""
        self._leave = _LEAVE
        self.stop()
        self.client.end(_STOPPED)

    def close(self) -> None:
        """Stop, and close all connections when what was under way has come, been kept, or has had its time."""
        self.stop()
        until = time.monotonic() + self._leave
        with self._idle:
            while self._busy and time.monotonic() < until:
                self._idle.wait(_SLEEP)
        self.client.close()

    @contextmanager
    def _working(self) -> Iterator[None]:
        with self._idle:
            self._busy += 1
        try:
            yield
        finally:
            with self._idle:
                self._busy -= 1
                self._idle.notify_all()

    def _ask(self, address: str, read: Callable[[Answer], str], ask: Callable[[str], Answer]) -> Answer:
        retry, host = self._retry, self._host(address)
        while True:
            try:
                self.rate_limit.acquire(host)
                self._count("asked")
                answer = ask(address)
                metadata = read(answer)
                self.rate_limit.succeeded(host)
                return Answer(answer.status, answer.body, metadata)
            except CrawlStopped as stopped:
                self.rate_limit.stop(str(stopped))  # the other threads ask nothing more either
                raise
            except TransientFailure as one:
                self._count("failures")
                try:
                    retry = retry.increment("GET", None, error=one)
                except MaxRetryError:
                    raise RequestFailed(one.reason) from None
                seconds = retry.get_backoff_time() if one.retry_after is None else one.retry_after
                if one.rate_limited or one.retry_after is not None:
                    self.rate_limit.back_off(host, seconds, one.rate_limited)
                else:
                    self.rate_limit.sleep(seconds)

    def _host(self, address: str) -> str:
        """What the rate limit counts: the service itself, or a host."""
        if self.base and address.startswith(self.base):
            return self.base
        try:
            return urlsplit(address).netloc
        except ValueError:
            raise RequestFailed("not a web address") from None

    def _count(self, what: str) -> None:
        with self._tally_lock:
            self.tally[what] += 1
