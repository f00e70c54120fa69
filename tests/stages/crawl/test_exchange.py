"""Whatever a server does, an exchange ends: at its deadline, at its size, at Ctrl-C."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from stages.crawl.failures import RequestFailed
from stages.crawl.fetcher import Fetcher
from stages.crawl.services.item_content import ItemContent, Status
from stages.crawl.services.service import picture_metadata

from .conftest import ABROAD, ROOT, Service, tables
from .hostile import LARGE, SLOW, Say, bomb, drip, head, hostile

Look = Callable[..., ItemContent]
DEADLINE = 1.0


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with hostile() as address:
        yield address


@pytest.fixture
def look(ask: Callable[..., ItemContent]) -> Look:
    def call(address: str, **more: Any) -> ItemContent:
        plain = {"service": "addresses", "allowed": "127.0.0.1", "retries": 0, "timeout": 5, "deadline": DEADLINE}
        return ask(ABROAD | plain | more, {"address": address})

    return call


@pytest.mark.parametrize("way", SLOW, ids=lambda one: one.__name__)
def test_a_deadline_holds_for_the_whole_exchange(look: Look, host: str, way: Callable[[Say], None]) -> None:
    start = time.monotonic()
    status = look(f"{host}/{way.__name__}").picture_status
    assert time.monotonic() - start < 3 * DEADLINE
    assert status == Status("failed", "not whole within 1 seconds")


@pytest.mark.parametrize("way", SLOW[:-2], ids=lambda one: one.__name__)
def test_and_for_the_api_of_a_service(fetch: Callable[..., Fetcher], host: str, way: Callable[[Say], None]) -> None:
    fetcher = fetch(base=host, retries=0, timeout=5, deadline=DEADLINE)
    start = time.monotonic()
    with pytest.raises(RequestFailed, match="not whole within 1 seconds"):
        fetcher.get(f"{host}/{way.__name__}", "picture", picture_metadata)
    assert time.monotonic() - start < 3 * DEADLINE


@pytest.mark.parametrize("way", LARGE, ids=lambda one: one.__name__)
def test_the_body_of_a_redirect_is_limited_too(look: Look, host: str, way: Callable[[Say], None]) -> None:
    bomb()
    tracemalloc.start()
    start = time.monotonic()
    status = look(f"{host}/{way.__name__}", deadline=20).picture_status
    seconds, (_, peak) = time.monotonic() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert status == Status("failed", "more than 1 megabytes")
    assert seconds < 10
    assert peak < 20_000_000


def test_a_connection_that_is_kept_open_keeps_the_time_of_each_exchange(look: Look) -> None:
    """The second request goes over the socket of the first."""
    body = b"<html>"

    def twice(say: Say) -> None:
        say(head(f"Content-Length: {len(body)}") + body)
        time.sleep(0.2)
        say(b"HTTP/1.1 200 OK\r\nX: ")
        drip(say, b"x")

    with hostile(twice=twice) as host:
        start = time.monotonic()
        assert look(f"{host}/twice", retries=1).picture_status.failed
        assert time.monotonic() - start < 3 * DEADLINE


@pytest.mark.parametrize("public", [False, True])
def test_no_cookie_is_kept(fetch: Callable[..., Fetcher], service: Service, public: bool) -> None:
    service.says("/1", (404, b"", {"Set-Cookie": "a=" + "b" * 3000}))
    service.says("/2", (404, b""))
    fetcher = fetch()
    for path in ("1", "2"):
        fetcher.get(f"{service.host}/{path}", "picture", picture_metadata, public)
    assert "Cookie" not in service.asked[1][2]


# ---- Ctrl-C

CRAWL = """
import signal, socket, sys, threading, time
from pathlib import Path
from tests.stages.crawl.conftest import ABROAD, params
from engine.tables.layout import Layout
from stages.crawl.__main__ import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests may ignore it


def pressed():
    sys.stdin.readline()
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)


threading.Thread(target=pressed, daemon=True).start()
if sys.argv[2] == "names":
    socket.getaddrinfo = lambda *_, **__: (print("asked", flush=True), time.sleep(60))
more = {"allowed": "127.0.0.1", "timeout": 600, "deadline": 600, "failed": 1.0}
main(params("addresses", addresses=ABROAD | more), Layout(Path(sys.argv[1]), "temporal"))
"""


@pytest.mark.parametrize("how", ["header", "continue", "body", "names", "wait", "another thread"])
def test_ctrl_c_ends_the_crawl_within_seconds(tmp_path: Path, how: str) -> None:
    asked = threading.Event()

    def slow(say: Say) -> None:
        asked.set()
        match how:
            case "header":
                say(b"HTTP/1.1 200 OK\r\nX: ")
                drip(say, b"x")
            case "continue":
                drip(say, b"HTTP/1.1 100 Continue\r\n\r\n")
            case "wait":
                say(head("Retry-After: 5", "Content-Length: 0", status="503 Busy"))
            case _:
                say(head("Content-Length: 1000000"))
                drip(say, b"x")

    with hostile(slow=slow) as host:
        rows = [(n, str(n), "", [], [{"service": "address", "id": f"{host}/slow#{n}"}]) for n in range(1, 9)]
        tables(tmp_path, rows)
        with subprocess.Popen(
            [sys.executable, "-c", CRAWL, str(tmp_path), how],
            cwd=ROOT, env=os.environ | {"DVC_ROOT": str(tmp_path)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as crawl:  # fmt: skip
            assert crawl.stdout is not None
            if how == "names":
                crawl.stdout.readline()
            else:
                assert asked.wait(60)
            time.sleep(0.5)
            start = time.monotonic()
            assert crawl.stdin is not None
            if how == "another thread":  # the system may give the signal to any
                crawl.stdin.write(b"\n")
                crawl.stdin.flush()
            else:
                crawl.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                crawl.wait(20)
            seconds, ended = time.monotonic() - start, crawl.poll()
            crawl.kill()
    assert ended is not None
    assert ended != 0
    assert seconds < 5
    assert not (tmp_path / "catalog.parquet").exists()


# ---- whatever one address does is that address's

ADDRESSES = {
    "an empty label": "http://a..b/x.jpg",
    "a long label": f"http://{'a' * 64}.example/x.jpg",
    "a long name": f"http://{'a.' * 200}example/x.jpg",
    "an odd letter": "http://xn--\xe9.example/x.jpg",
    "half a bracket": "http://[::1",
    "a bracket": "http://[]/x.jpg",
    "a zone": "http://[fe80::1%25lo]/x.jpg",
    "a star": "http://*.example/x.jpg",
    "a dot": "http://./x.jpg",
    "a blank": "http://a b/x.jpg",
    "NUL": "http://127.0.0.1/\x00",
    "a port": "http://127.0.0.1:99999/x.jpg",
    "no port": "http://127.0.0.1:/x.jpg",
    "a letter port": "http://127.0.0.1:x/x.jpg",
    "nobody": "http://127.0.0.1:9/x.jpg",
}
REPLIES = {
    "half a bracket": head("Location: http://[::1", "Content-Length: 0", status="302 Found"),
    "an empty label": head("Location: http://a..b/x.jpg", "Content-Length: 0", status="302 Found"),
    "a long label": head(f"Location: http://{'a' * 64}.b/", "Content-Length: 0", status="302 Found"),
    "bytes": head("Location: http://\xe9\xff/", "Content-Length: 0", status="302 Found"),
    "controls": head("Location: \x01\x02", "Content-Length: 0", status="302 Found"),
    "a late year": head("Retry-After: Fri, 31 Dec 99999 23:59:59 GMT", "Content-Length: 0", status="429 No"),
    "the last year": head("Retry-After: Fri, 31 Dec 9999 23:59:59 GMT", "Content-Length: 0", status="429 No"),
    "many digits": head(f"Retry-After: {'9' * 400}", "Content-Length: 0", status="429 No"),
    "too many digits": head(f"Retry-After: {'9' * 5000}", "Content-Length: 0", status="429 No"),
    "a negative chunk": head("Transfer-Encoding: chunked") + b"-5\r\nx",
    "a huge chunk": head("Transfer-Encoding: chunked") + b"f" * 40 + b"\r\nx",
    "a negative length": head("Content-Length: -1") + b"x",
    "a lettered length": head("Content-Length: abc") + b"x",
    "many headers": head(*["X: y"] * 500, "Content-Length: 0"),
    "a long header": head(f"X: {'y' * 100_000}", "Content-Length: 0"),
    "fifty encodings": head(f"Content-Encoding: {', '.join(['gzip'] * 50)}", "Content-Length: 1") + b"x",
    "no HTTP": b"\xff\xfe\x00 garbage\r\n\r\n",
    "status 1": head("Content-Length: 0", status="1 X"),
    "status 999": head("Content-Length: 0", status="999 \x1b[31m"),
    "an unknown charset": head("Content-Type: image/jpeg; charset=\x1b", "Content-Length: 1") + b"x",
}


@pytest.mark.parametrize("name", ADDRESSES)
def test_an_odd_address_is_its_own_failure(look: Look, name: str) -> None:
    status = look(ADDRESSES[name]).picture_status
    assert status.failed
    assert status.reason
    assert "unreadable" not in status.reason


@pytest.mark.parametrize("name", REPLIES)
def test_an_odd_reply_is_its_address_s_own_failure(look: Look, name: str) -> None:
    with hostile(odd=lambda say: say(REPLIES[name])) as host:
        status = look(f"{host}/odd", retries=1).picture_status
    assert status.failed
    assert status.reason.isprintable()
    if name in ("a late year", "too many digits"):
        assert status.reason == "HTTP 429", "tried again as if it had said nothing"


def test_an_error_that_nobody_thought_of_is_its_address_s_own_failure(
    look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise OverflowError("http://x/?api_key=secret")

    monkeypatch.setattr(socket, "getaddrinfo", broken)
    assert look("http://x.example/1.jpg").picture_status == Status("failed", "unreadable answer (OverflowError)")
