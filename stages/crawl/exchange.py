"""The time of one exchange with a server, kept by force: its sockets are shut when it is over."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import ProxyManager

from stages.crawl.failures import TransientFailure

_thread = threading.local()


class Exchange:
    """One try of one request, redirects included, in the thread that enters it: `seconds` for all of it.

    A read with a time-out of its own ends only when no byte comes: a server that drips a header, repeats "100 Continue"
    or sends trailers for ever would hold it. A shut socket ends every read. Works on duplicates of the connections'
    sockets, which urllib3 may hand on to TLS or close early.
    """

    def __init__(self, seconds: float) -> None:
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._ended = ""
        self._timer = threading.Timer(seconds, self.end, [f"not whole within {seconds:g} seconds"])
        self._timer.daemon = True

    def __enter__(self) -> "Exchange":
        _thread.exchange = self
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._timer.cancel()
        _thread.exchange = None
        with self._lock:
            for each in self._sockets:
                each.close()
            self._sockets.clear()

    def add(self, connected: socket.socket) -> None:
        """Shut `connected` too when the time is over."""
        self.check()
        copy = socket.fromfd(connected.fileno(), connected.family, connected.type)
        with self._lock:
            self._sockets.append(copy)
        self.check()

    def end(self, reason: str) -> None:
        """End it now: whoever reads gets an error, and `check` raises it with this `reason`."""
        with self._lock:
            self._ended = self._ended or reason
            for each in self._sockets:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def check(self) -> None:
        """Raises TransientFailure when it was ended."""
        if self._ended:
            raise TransientFailure(self._ended)


def current() -> Exchange | None:
    """The exchange that this thread is in."""
    return getattr(_thread, "exchange", None)


class TimedConnection(HTTPConnection):
    """A connection whose socket belongs to the thread's exchange, whether new or kept open from one before."""

    def _new_conn(self) -> socket.socket:
        connected = super()._new_conn()
        try:
            if exchange := current():
                exchange.add(connected)
        except TransientFailure:
            connected.close()
            raise
        return connected

    def putrequest(self, method: str, url: str, skip_host: bool = False, skip_accept_encoding: bool = False) -> None:
        if self.sock is not None and (exchange := current()):
            exchange.add(self.sock)
        super().putrequest(method, url, skip_host, skip_accept_encoding)


def timed_pools(connection: type[TimedConnection], **more: Any) -> dict[str, type[HTTPConnectionPool]]:
    """Pools of such connections by scheme, with the attributes `more`."""
    plain, safe = type("Plain", (connection,), more), type("Safe", (connection, HTTPSConnection), more)
    return {
        "http": type("PlainPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("SafePool", (HTTPSConnectionPool,), {"ConnectionCls": safe}),
    }


class TimedAdapter(HTTPAdapter):
    """Connections that keep the time of their exchange; through a proxy where the environment names one."""

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        """Pools of such connections."""
        super().init_poolmanager(*args, **more)
        self.poolmanager.pool_classes_by_scheme = timed_pools(TimedConnection)

    def proxy_manager_for(self, proxy: str, **more: Any) -> ProxyManager:
        """Pools of such connections to an HTTP proxy."""
        manager: ProxyManager = super().proxy_manager_for(proxy, **more)
        if proxy.lower().startswith("http"):
            manager.pool_classes_by_scheme = timed_pools(TimedConnection)
        return manager
