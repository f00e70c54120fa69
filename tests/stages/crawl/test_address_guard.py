import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
import urllib3.connection
from urllib3.util import connection

from stages.crawl.address_guard import PublicHostAdapter, is_public, redirect_target, web_address
from stages.crawl.failures import RequestFailed
from stages.crawl.rate_limit import RateLimit
from stages.crawl.services.item_content import OK, ItemContent, Status

from .conftest import ABROAD, Service, jpeg

Look = Callable[..., ItemContent]
PUBLIC = "93.184.216.34"


@pytest.fixture
def look(ask: Callable[..., ItemContent]) -> Look:
    def call(address: str, **more: Any) -> ItemContent:
        return ask(ABROAD | {"service": "addresses", "allowed": "127.0.0.1", "retries": 0} | more, {"address": address})

    return call


@pytest.mark.parametrize("ip", [PUBLIC, "2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"])
def test_public(ip: str) -> None:
    assert is_public(ip)


@pytest.mark.parametrize(
    "ip",
    [
        "127.0.0.1", "127.9.9.9", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "::", "::1", "fe80::1", "fe80::1%1", "fc00::1",
        "fec0::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::7f00:1", "64:ff9b::7f00:1", "64:ff9b:1::1",
        "2002:7f00:1::", "2002:c0a8:101::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1",
    ],
)  # fmt: skip
def test_not_public(ip: str) -> None:
    assert not is_public(ip)


@pytest.mark.parametrize(
    "address",
    [
        "ftp://x/1.jpg", "file:///etc/passwd", "//x/1.jpg", "/1.jpg", "http://", "http:///1.jpg", "http://[::1",
        "http://me:word@x/1.jpg", "http://x@y/", "http://x:99999/", "http://x:0/", "http://x/\n1.jpg", "http://x\\y/",
        "data:image/png;base64,AAAA", "javascript:1", "gopher://x/", " http://x/",
    ],
)  # fmt: skip
def test_not_of_the_web(service: Service, look: Look, address: str) -> None:
    with pytest.raises(RequestFailed, match="not a web address"):
        web_address(address)
    assert look(address).picture_status == Status("failed", "not a web address")
    assert service.asked == []


def test_redirect_target() -> None:
    assert redirect_target("http://x/a/b", "../c") == "http://x/c"
    assert redirect_target("http://x/a", "//y/c") == "http://y/c"
    for location in ("ftp://y", "http://[", "http://u:p@y/"):
        with pytest.raises(RequestFailed, match="not a web address"):
            redirect_target("http://x/a", location)


def test_a_picture(service: Service, look: Look) -> None:
    service.says("/1.jpg", (200, jpeg(), {"Content-Type": "text/plain"}))
    address = f"{service.host}/1.jpg"
    missing = Status("missing", "an address has no words")
    assert look(address) == ItemContent("addresses", missing, OK, picture_address=address)
    assert look(address).picture_status == OK
    assert service.paths() == ["/1.jpg"]
    assert "Authorization" not in service.asked[0][2]
    assert look(f"{service.host}/2.jpg").picture_status == Status("missing", "picture not found")
    service.says("/3.jpg", (410, b""))
    assert look(f"{service.host}/3.jpg").picture_status == Status("missing", "picture not found")
    service.says("/4.jpg", (403, b""))
    assert look(f"{service.host}/4.jpg").picture_status == Status("failed", "HTTP 403")


def test_a_host_that_asks_to_wait_long_does_not_stop_the_crawl(service: Service, look: Look) -> None:
    service.says("/1.jpg", (429, b"", {"Retry-After": "3600"}))
    assert look(f"{service.host}/1.jpg", retries=2).picture_status == Status(
        "failed", "HTTP 429, asks to wait 3600 seconds"
    )
    assert len(service.asked) == 1
    service.says("/2.jpg", (429, b"", {"Retry-After": "0"}), (200, jpeg()))
    assert look(f"{service.host}/2.jpg", retries=2).picture_status == OK
    service.says("/3.jpg", (503, b""), (200, jpeg()))  # it does not say how long
    assert look(f"{service.host}/3.jpg", retries=1).picture_status == OK


@pytest.mark.parametrize(
    ("body", "why"),
    [(b"<html>gone", "cannot identify"), (b"GIF89a", "bad picture"), (b"\xff" * 1_100_000, "more than 1 megabytes")],
)
def test_what_is_no_picture_is_failed(service: Service, look: Look, body: bytes, why: str) -> None:
    service.says("/1.jpg", (200, body, {"Content-Type": "image/jpeg"}))
    assert why in look(f"{service.host}/1.jpg").picture_status.reason


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "127.1", "[::ffff:7f00:1]"]
)
def test_this_machine_is_not_asked_unless_allowed_by_name(service: Service, look: Look, host: str) -> None:
    service.says("/1.jpg", (200, jpeg()))
    address = f"http://{host}:{service.http.server_port}/1.jpg"
    assert look(address, allowed="").picture_status == Status("failed", "not a public host")
    assert look(address, allowed="mirror.lan other").picture_status == Status("failed", "not a public host")
    assert service.asked == []


def test_allowed_by_name(service: Service, look: Look) -> None:
    service.says("/1.jpg", (200, jpeg()))
    address = f"http://LocalHost:{service.http.server_port}/1.jpg"
    assert look(address, allowed="mirror.lan localhost").picture_status == OK


def test_redirects_are_followed_three_times(service: Service, look: Look) -> None:
    for n in range(1, 5):
        service.says(f"/{n}", ((301, 302, 307, 308)[n - 1], b"", {"Location": f"/{n + 1}"}))
    service.says("/5", (200, jpeg()))
    assert look(f"{service.host}/2").picture_status == OK
    assert look(f"{service.host}/1").picture_status == Status("failed", "more than 3 redirects")
    assert look(f"{service.host}/4", redirects=0).picture_status == Status("failed", "more than 0 redirects")
    with pytest.raises(ValueError, match="less than or equal to 3"):
        look(f"{service.host}/1", redirects=4)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_redirect_to_a_private_host_is_not_followed(service: Service, look: Look, scheme: str) -> None:
    secret = f"{scheme}://localhost:{service.http.server_port}/secret"
    service.says("/1", (302, b"", {"Location": secret}))
    service.says("/2", (302, b"", {"Location": "file:///etc/passwd"}))
    assert look(f"{service.host}/1").picture_status == Status("failed", "not a public host")
    assert look(f"{service.host}/2").picture_status == Status("failed", "not a web address")
    assert service.paths() == ["/1", "/2"]


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[Any]:
    """Names resolve to `answers`, one after another, the last for ever; gives the hosts that are connected to."""
    waiting, connected = list(answers), []

    def resolve(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        ips = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ips]

    def connect(address: tuple[str, int], *_: Any, **__: Any) -> socket.socket:
        connected.append(address)
        raise ConnectionRefusedError("refused")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(connection, "create_connection", connect)
    return connected


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_name_that_changes_gains_nothing(look: Look, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    connected = resolving(monkeypatch, [PUBLIC], ["127.0.0.1"])
    assert look(f"{scheme}://shop.example/1.jpg").picture_status == Status("failed", "connection refused or broken")
    assert [host for host, _ in connected] == [PUBLIC], "what was judged is what is connected to"
    assert look(f"{scheme}://shop.example/1.jpg").picture_status == Status("failed", "not a public host")
    assert len(connected) == 1


@pytest.mark.parametrize("ips", [["10.0.0.7"], [PUBLIC, "10.0.0.7"], ["169.254.169.254"]])
def test_a_name_of_a_private_host_is_not_asked(look: Look, monkeypatch: pytest.MonkeyPatch, ips: list[str]) -> None:
    connected = resolving(monkeypatch, ips)
    assert look("http://shop.example/1.jpg").picture_status == Status("failed", "not a public host")
    assert connected == []


def test_every_address_of_a_name_is_tried(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    connected = resolving(monkeypatch, [PUBLIC, "1.1.1.1"])
    look("http://shop.example/1.jpg")
    assert connected == [(PUBLIC, 80), ("1.1.1.1", 80)]


def test_the_name_stays_for_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def wrap(**more: Any) -> None:
        asked.append(more["server_hostname"])
        raise OSError("enough")

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (PUBLIC, 443))])
    monkeypatch.setattr(connection, "create_connection", lambda *_, **__: socket.socket())
    monkeypatch.setattr(urllib3.connection, "_ssl_wrap_socket_and_match_hostname", wrap)
    session = requests.Session()
    session.mount("https://", PublicHostAdapter(frozenset()))
    with session, pytest.raises(requests.ConnectionError):
        session.get("https://shop.example/1.jpg", proxies={"https": ""})
    assert asked == ["shop.example"]


def test_no_proxy_stands_between(service: Service, look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would resolve names itself, and reach what lies around it."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, service.host)
    connected = resolving(monkeypatch, [PUBLIC])
    look("http://shop.example/1.jpg")
    assert connected == [(PUBLIC, 80)]
    session = requests.Session()
    session.mount("http://", PublicHostAdapter(frozenset()))
    with session, pytest.raises(RequestFailed, match="proxy"):
        session.get("http://shop.example/1.jpg")


def test_each_host_is_asked_at_the_rate() -> None:
    limit = RateLimit(50, 5)
    start = time.monotonic()
    for _ in range(10):
        limit.acquire("one")
        limit.succeeded("one")
    assert time.monotonic() - start > 0.17
    start = time.monotonic()
    limit.acquire("two")
    assert time.monotonic() - start < 0.1
