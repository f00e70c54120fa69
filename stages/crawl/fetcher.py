"""One polite, resumable way to ask any service: kept answers first, then the net, within its rate, again on a fault."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests_ratelimiter import LimiterAdapter
from urllib3.exceptions import HTTPError, InvalidHeader, MaxRetryError
from urllib3.util.retry import Retry

from stages.crawl.answers import Answer, Answers
from stages.crawl.key import Key
from stages.crawl.manners import Failure, Fault, Manners, cause
from stages.crawl.pace import Pace

_BUSY = (408, 425, 429)
_PIECE = 1 << 16
_LOCKS = 1024  # so that one address is asked for once, whoever wants it; more locks, fewer chance meetings


def _unsigned(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Signs nothing, and keeps requests from looking for a password in ~/.netrc."""
    return request


class Fetcher:
    """Asks for addresses, from several threads at once; those under `manners.base` are signed and count for the rate.

    urllib3's Retry is the rule, driven from here and not inside the adapter: so each try passes the rate limiter, one
    budget covers all sorts of faults (cut and garbled bodies too), and no library prints an address with its key.
    """

    def __init__(self, manners: Manners, key: Key, answers: Answers) -> None:
        self.manners, self.key, self.answers = manners, key, answers
        self.base = manners.base.rstrip("/") + "/"
        self.tally: Counter[str] = Counter()
        self._tally_lock = threading.Lock()
        self._locks = [threading.Lock() for _ in range(_LOCKS)]
        self.pace = Pace(manners.rate, manners.longest_wait)
        self._retry = Retry(total=manners.retries, backoff_factor=manners.backoff, backoff_max=manners.longest_wait)
        self._session = requests.Session()
        self._session.headers["User-Agent"] = "whyrec"
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=manners.workers))
        # its own answer to 429 logs the whole address, key and all, and knows nothing of Retry-After
        limited = LimiterAdapter(manners.rate, per_host=False, limit_statuses=(), pool_maxsize=manners.workers)
        self._session.mount(self.base, limited)

    def get(self, address: str, read: Callable[[Answer], str]) -> Answer:
        """The answer for `address`, kept or asked for; `read` gives its note, or raises Fault where it is garbage.

        Raises:
            Failure: no answer after all tries, or one that no further try would better.
            Stopped: the crawl has to end.
        """
        with self._locks[hash(address) % _LOCKS]:
            kept = self.answers.find(address)
            if kept is not None:
                self._count("kept")
                return kept
            answer = self._ask(address, read)
            self.answers.keep(address, answer)
            return answer

    def close(self) -> None:
        """Close all connections."""
        self.pace.halt()
        self._session.close()
        self.key.close()

    def _ask(self, address: str, read: Callable[[Answer], str]) -> Answer:
        retry, host = self._retry, urlsplit(address).netloc
        while True:
            try:
                self.pace.turn(host)
                self._count("asked")
                answer = self._try(address)
                note = read(answer)
                self.pace.ease(host)
                return Answer(answer.status, answer.body, note)
            except Fault as fault:
                self._count("faults")
                try:
                    retry = retry.increment("GET", None, error=fault)
                except MaxRetryError:
                    raise Failure(fault.why) from None
                wait = retry.get_backoff_time() if fault.wait is None else fault.wait
                if fault.crowded or fault.wait is not None:
                    self.pace.hold(host, wait, fault.crowded)
                else:
                    self.pace.rest(wait)

    def _try(self, address: str) -> Answer:
        signed = address.startswith(self.base)
        seconds = self.manners.timeout
        try:
            with self._session.get(
                address, auth=self.key if signed else _unsigned, timeout=seconds, stream=True, allow_redirects=False
            ) as response:
                status, body = response.status_code, self._body(response)
                if signed and status in (401, 403):
                    raise self.key.refused(status, body)
                if status in _BUSY or status >= 500:
                    raise Fault(f"HTTP {status}", self._wait(response), crowded=status == 429)
        except (requests.RequestException, HTTPError, OSError) as error:
            # neither the message nor the chain: both may show the address with the key
            raise Fault(cause(error)) from None
        if status not in (200, 404):
            raise Failure(f"HTTP {status}")
        return Answer(status, body)

    def _body(self, response: requests.Response) -> bytes:
        body, until = bytearray(), time.monotonic() + self.manners.deadline
        while piece := response.raw.read1(_PIECE, decode_content=True):
            body += piece
            if len(body) > self.manners.megabytes * 1e6:
                raise Failure(f"more than {self.manners.megabytes:g} megabytes")
            if time.monotonic() > until:
                raise Fault(f"not whole within {self.manners.deadline:g} seconds")
        return bytes(body)

    def _wait(self, response: requests.Response) -> float | None:
        try:
            return self._retry.get_retry_after(response.raw)
        except InvalidHeader:
            return None

    def _count(self, what: str) -> None:
        with self._tally_lock:
            self.tally[what] += 1
