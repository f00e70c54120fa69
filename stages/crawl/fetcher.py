"""One polite, resumable way to ask any service: kept answers first, then the net, within its rate, again on a fault."""

import threading
from collections import Counter
from collections.abc import Callable
from urllib.parse import urlsplit

from urllib3.exceptions import MaxRetryError
from urllib3.util.retry import Retry

from stages.crawl.answer_store import Answer, Answers
from stages.crawl.api_key import Key
from stages.crawl.http import Wire
from stages.crawl.rate_limit import Pace
from stages.crawl.request_settings import Failure, Fault, Manners, Stopped

_LOCKS = 1024  # so that one address is asked for once, whoever wants it; more locks, fewer chance meetings


class Fetcher:
    """Asks for addresses, from several threads at once.

    urllib3's Retry is the rule, driven from here and not inside the adapter: so each try passes the rate limiter, and
    one budget covers all sorts of faults (cut and garbled bodies too).
    """

    def __init__(self, manners: Manners, key: Key | None, answers: Answers) -> None:
        self.manners, self.answers = manners, answers
        self.wire = Wire(manners, key)
        self.base = self.wire.base
        self.tally: Counter[str] = Counter()
        self._tally_lock = threading.Lock()
        self._locks = [threading.Lock() for _ in range(_LOCKS)]
        self.pace = Pace(manners.rate, manners.longest_wait, always=not self.base)
        self._retry = Retry(total=manners.retries, backoff_factor=manners.backoff, backoff_max=manners.longest_wait)

    def get(self, address: str, read: Callable[[Answer], str]) -> Answer:
        """The answer for `address`, kept or asked for; `read` gives its note, or raises Fault where it is garbage.

        Those under the service's base are signed and count for the rate.

        Raises:
            Failure: no answer after all tries, or one that no further try would better.
            Stopped: the crawl has to end.
        """
        return self._found(address, read, self.wire.ask)

    def follow(self, address: str, read: Callable[[Answer], str]) -> Answer:
        """As `get`, for an address that came from the net: unsigned, from public hosts alone, over a few redirects."""
        return self._found(address, read, self.wire.follow)

    def counts(self) -> tuple[int, int, int]:
        """Requests made, answers that were kept already, faults."""
        return self.tally["asked"], self.tally["kept"], self.tally["faults"]

    def close(self) -> None:
        """Close all connections."""
        self.pace.halt()
        self.wire.close()

    def _found(self, address: str, read: Callable[[Answer], str], ask: Callable[[str], Answer]) -> Answer:
        with self._locks[hash(address) % _LOCKS]:
            kept = self.answers.find(address)
            if kept is not None:
                self._count("kept")
                return kept
            answer = self._ask(address, read, ask)
            self.answers.keep(address, answer)
            return answer

    def _ask(self, address: str, read: Callable[[Answer], str], ask: Callable[[str], Answer]) -> Answer:
        retry, host = self._retry, _host(address)
        while True:
            try:
                self.pace.turn(host)
                self._count("asked")
                answer = ask(address)
                note = read(answer)
                self.pace.ease(host)
                return Answer(answer.status, answer.body, note)
            except Stopped as stopped:
                self.pace.halt(str(stopped))  # the other threads ask nothing more either
                raise
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

    def _count(self, what: str) -> None:
        with self._tally_lock:
            self.tally[what] += 1


def _host(address: str) -> str:
    try:
        return urlsplit(address).netloc
    except ValueError:
        raise Failure("not a web address") from None
