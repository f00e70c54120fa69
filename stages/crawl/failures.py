"""What can go wrong: the whole crawl has to stop, one address has no answer, one try of it failed."""

import requests
from urllib3.exceptions import DecodeError, HTTPError, LocationValueError, ProtocolError, ReadTimeoutError

_LONGEST = 120  # characters of a reason that goes into a table


class CrawlStopped(ValueError):
    """No further request makes sense: the key is wrong, the service asks to wait too long, too much failed."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class RequestFailed(Exception):
    """There is no answer to be had for this address; `reason` goes into the catalog."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = printable(reason)[:_LONGEST]


class TransientFailure(RequestFailed):
    """Worth another try, after `retry_after` seconds where the server said so; `rate_limited`: it said "too many"."""

    def __init__(self, reason: str, retry_after: float | None = None, rate_limited: bool = False) -> None:
        super().__init__(reason)
        self.retry_after, self.rate_limited = retry_after, rate_limited


def printable(text: str) -> str:
    r"""`text` on one line, with control characters as escapes (`\x1b`): a service's words cannot steer a terminal."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


_Kinds = tuple[type[Exception], ...]
_LASTING: _Kinds = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    LocationValueError,
    UnicodeError,  # of a host's name: an empty label, or one of more than 63 letters
)
_TRANSIENT: tuple[tuple[_Kinds, str], ...] = (
    ((requests.Timeout, ReadTimeoutError, TimeoutError), "no answer in time"),
    ((DecodeError,), "garbled answer"),
    ((ProtocolError,), "cut answer"),
    ((requests.exceptions.SSLError,), "no trusted connection"),
    ((requests.ConnectionError,), "connection refused or broken"),
)


def failure(error: Exception) -> RequestFailed:
    """An error of a library in words of ours: its own may show the address with the key."""
    if isinstance(error, _LASTING):
        return RequestFailed("not a web address")
    for kinds, reason in _TRANSIENT:
        if isinstance(error, kinds):
            return TransientFailure(reason)
    if isinstance(error, (requests.RequestException, HTTPError, OSError)):
        return TransientFailure(type(error).__name__)
    return RequestFailed(f"unreadable answer ({type(error).__name__})")
