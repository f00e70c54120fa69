"""Where an address that came from the net may lead: to public hosts, over http and https, and nowhere else."""

import re
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any
from urllib.parse import urljoin, urlsplit

from requests.adapters import HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.poolmanager import ProxyManager

from stages.crawl.exchange import TimedConnection, current, timed_pools
from stages.crawl.failures import RequestFailed

_AMBIGUOUS = re.compile(r"[\x00-\x1f\x7f\\]|^\s|\s$")  # what parsers of addresses do not agree on
_NAT64, _LOCAL_NAT64 = ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48")


def web_address(address: str) -> str:
    """`address`, if it is one of the web.

    Raises:
        RequestFailed: another scheme, no host, a name and password, odd characters.
    """
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or "@" in parts.netloc or _AMBIGUOUS.search(address):
        raise RequestFailed("not a web address")
    return address


def redirect_target(address: str, location: str) -> str:
    """Where `address` redirects to.

    Raises:
        RequestFailed: as `web_address`.
    """
    try:
        return web_address(urljoin(address, location))
    except ValueError:
        raise RequestFailed("not a web address") from None


def is_public(ip: str) -> bool:
    """Whether an IP address belongs to the public net; one of version 4 within one of version 6 is judged itself."""
    found = ip_address(ip.partition("%")[0])
    if isinstance(found, IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if found in _NAT64 or int(found) >> 32 == 0:
            inner = IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if found.is_site_local or found in _LOCAL_NAT64:
            return False
    return found.is_global and not found.is_multicast


class _PublicConnection(TimedConnection):
    """Resolves its host once, judges all that came, and connects to what was judged: a name that changes gains nothing.

    The name stays for the Host header and for TLS.
    """

    allowed: frozenset[str] = frozenset()

    def _new_conn(self) -> socket.socket:
        name = self._dns_host
        host = name.strip("[]")
        ips = list(
            dict.fromkeys(str(one[4][0]) for one in socket.getaddrinfo(host, self.port, type=socket.SOCK_STREAM))
        )
        if host.rstrip(".").lower() not in self.allowed and not all(map(is_public, ips)):
            raise RequestFailed("not a public host")
        last: Exception = OSError("no address")
        for ip in ips:
            if exchange := current():
                exchange.check()
            self._dns_host = ip
            try:
                return super()._new_conn()
            except (NewConnectionError, ConnectTimeoutError) as error:
                last = error
            finally:
                self._dns_host = name
        raise last


class PublicHostAdapter(HTTPAdapter):
    """Connects to public hosts and to the `allowed` ones (by name, lower case), never through a proxy.

    Raises:
        RequestFailed: another host.
    """

    def __init__(self, allowed: frozenset[str], **more: Any) -> None:
        self._allowed = allowed
        super().__init__(**more)

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        """Pools whose connections look before they connect."""
        super().init_poolmanager(*args, **more)
        self.poolmanager.pool_classes_by_scheme = timed_pools(_PublicConnection, allowed=self._allowed)

    def proxy_manager_for(self, proxy: str, **_: Any) -> ProxyManager:
        """None: a proxy would resolve the name anew, and behind our back."""
        raise RequestFailed("a proxy stands before it")
