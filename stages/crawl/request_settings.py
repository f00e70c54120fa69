"""How a service is asked, and what can go wrong: stop all, give one address up, try it again."""

import requests
from pydantic import Field
from urllib3.exceptions import DecodeError, ProtocolError, ReadTimeoutError

from engine.tables.settings import Record


class Manners(Record):
    """The settings that every service shares; a service's own Settings extend them.

    `rate` is its calls a second (pictures do not count), asked by `workers` threads. `timeout` and `deadline` are
    seconds without a byte and for a whole answer. A fault is tried again `retries` times, at once and then after
    `backoff` times 2, 4, 8 … seconds, or as Retry-After says; at most `longest_wait` seconds. `megabytes` limits an
    answer. A greater share than `failed` of items that failed fails the stage.
    """

    rate: float = Field(gt=0)
    workers: int = Field(ge=1)
    timeout: float = Field(gt=0)
    deadline: float = Field(gt=0)
    retries: int = Field(ge=0)
    backoff: float = Field(ge=0)
    longest_wait: float = Field(ge=0)
    megabytes: float = Field(gt=0)
    failed: float = Field(ge=0, le=1)


class Called(Manners):
    """A service with an address of its own, `base`."""

    base: str = Field(pattern=r"^https?://[^\s?#@]+$")


class Abroad(Manners):
    """A service whose pictures lie anywhere: how many `redirects` are followed, and which private hosts are `allowed`.

    Those are names as in the addresses, with spaces between; the host of `base` is one of them, others are public.
    """

    redirects: int = Field(ge=0, le=3)
    allowed: str


class Stopped(ValueError):
    """No further request makes sense: the key is wrong, the service asks to wait too long, too much failed."""


class Failure(Exception):
    """There is no answer to be had for this address; `why` goes into the table."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Fault(Failure):
    """Something went wrong on the way: worth another try, after `wait` seconds where the service said so.

    `crowded`: it had too many of our requests.
    """

    def __init__(self, why: str, wait: float | None = None, crowded: bool = False) -> None:
        super().__init__(why)
        self.wait, self.crowded = wait, crowded


_CAUSES: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    ((requests.Timeout, ReadTimeoutError, TimeoutError), "no answer in time"),
    (DecodeError, "garbled answer"),
    (ProtocolError, "cut answer"),
    (requests.exceptions.SSLError, "no trusted connection"),
    (requests.ConnectionError, "connection refused or broken"),
)


def cause(error: Exception) -> str:
    """An error of requests or urllib3 in words of ours: its own may show the address with the key."""
    return next((words for kind, words in _CAUSES if isinstance(error, kind)), type(error).__name__)
