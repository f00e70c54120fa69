"""What a response means: an answer, a failure, or one that is worth another try."""

from dataclasses import dataclass

import requests
from urllib3.exceptions import InvalidHeader
from urllib3.util.retry import Retry

from stages.crawl.answer_store import Answer
from stages.crawl.failures import RequestFailed, TransientFailure

_ASKED = Retry(retry_after_max=10**9)  # as long as it says: the library alone would make six hours of a day
_BUSY, _REDIRECT, _GONE = (408, 425, 429), (301, 302, 303, 307, 308), 410


@dataclass(frozen=True)
class Response:
    """A response that was read whole; `retry_after` in seconds, where it says so."""

    status: int
    body: bytes
    retry_after: float | None
    location: str

    @property
    def is_redirect(self) -> bool:
        """Whether it says where to go instead."""
        return self.status in _REDIRECT and bool(self.location)


def retry_after(response: requests.Response) -> float | None:
    """The seconds of Retry-After; None without one, or with one that says nothing (no date, a year 99999)."""
    try:
        return _ASKED.get_retry_after(response.raw)
    except (InvalidHeader, ValueError, OverflowError):
        return None


def accepted(response: Response) -> Answer:
    """The answer in a response: HTTP 200, or 404 (410 too).

    Raises:
        TransientFailure: worth another try.
        RequestFailed: not worth one.
    """
    if response.status in _BUSY or response.status >= 500:
        limited = response.status == 429
        raise TransientFailure(f"HTTP {response.status}", response.retry_after, rate_limited=limited)
    status = 404 if response.status == _GONE else response.status
    if status not in (200, 404):
        raise RequestFailed(f"HTTP {status}")
    return Answer(status, response.body)
