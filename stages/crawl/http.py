"""One try of one request, with a key or without, and what it means."""

import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests_ratelimiter import LimiterAdapter
from urllib3.exceptions import HTTPError, InvalidHeader
from urllib3.util.retry import Retry

from stages.crawl.address_guard import Guard, moved, web
from stages.crawl.answer_store import Answer
from stages.crawl.api_key import Key
from stages.crawl.request_settings import Abroad, Called, Failure, Fault, Manners, cause

_BUSY, _MOVED, _GONE = (408, 425, 429), (301, 302, 303, 307, 308), 410
_PIECE = 1 << 16
_DIRECT = {"http": "", "https": ""}  # whatever the environment says


class _Unsigned(AuthBase):
    """Signs nothing, and keeps requests from looking for a password in ~/.netrc."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


@dataclass(frozen=True)
class _Reply:
    status: int
    body: bytes
    wait: float | None
    location: str


class Wire:
    """The sessions of a service: one for its own addresses, within its rate, one for those that stand in its answers.

    No library tries again, prints an address with its key, or follows a redirect by itself.
    """

    def __init__(self, manners: Manners, key: Key | None) -> None:
        self.manners, self.key = manners, key
        self.base = manners.base.rstrip("/") + "/" if isinstance(manners, Called) else ""
        allowed = {urlsplit(self.base).hostname or ""} if self.base else set()
        if isinstance(manners, Abroad):
            allowed |= set(manners.allowed.lower().split())
        self._own, self._abroad = requests.Session(), requests.Session()
        for scheme in ("http://", "https://"):
            self._own.mount(scheme, HTTPAdapter(pool_maxsize=manners.workers))
            self._abroad.mount(scheme, Guard(frozenset(allowed), pool_maxsize=manners.workers))
        for session in (self._own, self._abroad):
            session.headers["User-Agent"] = "whyrec"
        if self.base:
            # its own answer to 429 logs the whole address, key and all, and knows nothing of Retry-After
            limited = LimiterAdapter(manners.rate, per_host=False, limit_statuses=(), pool_maxsize=manners.workers)
            self._own.mount(self.base, limited)

    def ask(self, address: str) -> Answer:
        """What lies at an address of the service's; under its base the request is signed and counts for the rate.

        Raises:
            Fault: worth another try.
            Failure: not worth one.
            Stopped: the key is refused.
        """
        signed = self.key if self.base and address.startswith(self.base) else None
        reply = self._reply(self._own, address, signed or _Unsigned())
        if signed and reply.status in signed.refusals:
            raise signed.refused(reply.status, reply.body)
        return _judged(reply)

    def follow(self, address: str) -> Answer:
        """What lies at an address that came from the net: unsigned, from public hosts, over a few redirects.

        Raises:
            Fault: worth another try.
            Failure: not worth one; it leads where no picture may come from.
        """
        most = self.manners.redirects if isinstance(self.manners, Abroad) else 0
        place = web(address)
        for _ in range(most + 1):
            reply = self._reply(self._abroad, place, _Unsigned())
            if reply.status not in _MOVED or not reply.location:
                return self._judged_abroad(reply)
            place = moved(place, reply.location)
        raise Failure(f"more than {most} redirects")

    def close(self) -> None:
        """Close all connections."""
        self._own.close()
        self._abroad.close()
        if self.key:
            self.key.close()

    def _judged_abroad(self, reply: _Reply) -> Answer:
        try:
            return _judged(reply)
        except Fault as fault:
            # the service's own would stop the crawl; some host in the net has no such say
            if fault.wait is not None and fault.wait > self.manners.longest_wait:
                raise Failure(f"{fault.why}, asks to wait {fault.wait:.0f} seconds") from None
            raise

    def _reply(self, session: requests.Session, address: str, auth: AuthBase) -> _Reply:
        proxies = _DIRECT if session is self._abroad else None
        try:
            with session.get(
                address, auth=auth, timeout=self.manners.timeout, stream=True, allow_redirects=False, proxies=proxies
            ) as response:
                location = response.headers.get("Location", "")
                return _Reply(response.status_code, self._body(response), _wait(response), location)
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema):
            raise Failure("not a web address") from None
        except (requests.RequestException, HTTPError, OSError) as error:
            # neither the message nor the chain: both may show the address with the key
            raise Fault(cause(error)) from None

    def _body(self, response: requests.Response) -> bytes:
        body, until = bytearray(), time.monotonic() + self.manners.deadline
        while piece := response.raw.read1(_PIECE, decode_content=True):
            body += piece
            if len(body) > self.manners.megabytes * 1e6:
                raise Failure(f"more than {self.manners.megabytes:g} megabytes")
            if time.monotonic() > until:
                raise Fault(f"not whole within {self.manners.deadline:g} seconds")
        return bytes(body)


def _wait(response: requests.Response) -> float | None:
    try:
        return Retry().get_retry_after(response.raw)
    except InvalidHeader:
        return None


def _judged(reply: _Reply) -> Answer:
    if reply.status in _BUSY or reply.status >= 500:
        raise Fault(f"HTTP {reply.status}", reply.wait, crowded=reply.status == 429)
    status = 404 if reply.status == _GONE else reply.status
    if status not in (200, 404):
        raise Failure(f"HTTP {status}")
    return Answer(status, reply.body)
