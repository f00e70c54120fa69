"""One try of one request, with a key or without, and what it means."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

from stages.crawl.address_guard import PublicHostAdapter, redirect_target, web_address
from stages.crawl.answer_store import Answer
from stages.crawl.api_key import ApiKey
from stages.crawl.exchange import Exchange, TimedAdapter
from stages.crawl.failures import CrawlStopped, RequestFailed, TransientFailure, failure
from stages.crawl.request_settings import ApiSettings, RequestSettings, WebPictureSettings
from stages.crawl.response import Response, accepted, retry_after
from stages.crawl.session import Session, Unsigned

_PIECE = 1 << 16
_NO_PROXY = {"http": "", "https": ""}  # whatever the environment says


class HttpClient:
    """The sessions of a service: one for its own addresses, one for those that stand in answers and may lead anywhere.

    Neither tries again, prints an address with its key, or follows a redirect by itself.
    """

    def __init__(self, settings: RequestSettings, key: ApiKey | None) -> None:
        self.settings, self.key = settings, key
        self.base = settings.base.rstrip("/") + "/" if isinstance(settings, ApiSettings) else ""
        allowed = {urlsplit(self.base).hostname or ""} if self.base else set()
        if isinstance(settings, WebPictureSettings):
            allowed |= set(settings.allowed.lower().split())
        self._own = Session(TimedAdapter(pool_maxsize=settings.workers))
        self._public = Session(PublicHostAdapter(frozenset(allowed), pool_maxsize=settings.workers))
        self._lock = threading.Lock()
        self._running: set[Exchange] = set()
        self._ended = ""

    def get(self, address: str) -> Answer:
        """What lies at an address of the service's; under its base the request is signed.

        Raises:
            TransientFailure: worth another try.
            RequestFailed: not worth one.
            CrawlStopped: the key is refused.
        """
        signed = self.key if self.base and address.startswith(self.base) else None
        with self._exchange() as exchange:
            response = self._response(self._own, address, signed or Unsigned(), exchange)
        if signed and response.status in signed.refusals:
            raise signed.rejection(response.status, response.body)
        return accepted(response)

    def get_public(self, address: str) -> Answer:
        """What lies at an address that came from the net: unsigned, from public hosts, over a few redirects.

        Raises:
            TransientFailure: worth another try.
            RequestFailed: not worth one; it leads where no picture may come from.
        """
        most = self.settings.redirects if isinstance(self.settings, WebPictureSettings) else 0
        place = web_address(address)
        with self._exchange() as exchange:
            for _ in range(most + 1):
                response = self._response(self._public, place, Unsigned(), exchange)
                if not response.is_redirect:
                    return self._accepted_public(response)
                place = redirect_target(place, response.location)
        raise RequestFailed(f"more than {most} redirects")

    def end(self, reason: str) -> None:
        """End every exchange, now and from now on."""
        with self._lock:
            self._ended = reason
            for exchange in self._running:
                exchange.end(reason)

    def close(self) -> None:
        """Close all connections."""
        self._own.close()
        self._public.close()
        if self.key:
            self.key.close()

    def _accepted_public(self, response: Response) -> Answer:
        try:
            return accepted(response)
        except TransientFailure as one:
            # the service's own would stop the crawl; some host in the net has no such say
            if one.retry_after is not None and one.retry_after > self.settings.longest_wait:
                raise RequestFailed(f"{one.reason}, asks to wait {one.retry_after:.0f} seconds") from None
            raise

    @contextmanager
    def _exchange(self) -> Iterator[Exchange]:
        exchange = Exchange(self.settings.deadline)
        with self._lock:
            self._running.add(exchange)
            if self._ended:
                exchange.end(self._ended)
        try:
            with exchange:
                yield exchange
        finally:
            with self._lock:
                self._running.discard(exchange)

    def _response(self, session: Session, address: str, auth: AuthBase, exchange: Exchange) -> Response:
        proxies = _NO_PROXY if session is self._public else None
        try:
            with session.get(
                address, auth=auth, timeout=self.settings.timeout, stream=True, allow_redirects=False, proxies=proxies
            ) as response:
                location = response.headers.get("Location", "")
                return Response(response.status_code, self._body(response, exchange), retry_after(response), location)
        except (CrawlStopped, RequestFailed):
            raise
        # hostile answers make libraries raise nearly anything; neither their message nor the chain is shown, as both
        # may hold the address with the key
        except Exception as error:
            exchange.check()
            raise failure(error) from None

    def _body(self, response: requests.Response, exchange: Exchange) -> bytes:
        body = bytearray()
        while piece := response.raw.read1(_PIECE, decode_content=True):
            body += piece
            if len(body) > self.settings.megabytes * 1e6:
                raise RequestFailed(f"more than {self.settings.megabytes:g} megabytes")
            exchange.check()
        exchange.check()
        return bytes(body)
