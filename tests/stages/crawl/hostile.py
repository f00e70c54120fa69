"""A server that says whatever bytes it likes, for as long as it likes."""

import gzip
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache

Say = Callable[[bytes], None]
LONG = 30.0  # seconds after which it gives up by itself: far beyond every deadline of the tests


def drip(say: Say, piece: bytes, pause: float = 0.05) -> None:
    """The same piece over and over."""
    until = time.monotonic() + LONG
    while time.monotonic() < until:
        say(piece)
        time.sleep(pause)


def head(*lines: str, status: str = "200 OK") -> bytes:
    """It says that the connection ends, as it does: one that is used again would be a race with its end."""
    return "\r\n".join((f"HTTP/1.1 {status}", "Connection: close", *lines, "", "")).encode("latin-1")


@cache
def bomb(megabytes: int = 100) -> bytes:
    """Zeros, packed piece by piece."""
    packing = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([*(packing.compress(bytes(1_000_000)) for _ in range(megabytes)), packing.flush()])


EMPTY_BLOCK = b"\x00\x00\x00\xff\xff"  # of deflate: nothing is in it
MOVED = ("Location: /ok",)


def dripping_header(say: Say) -> None:
    say(b"HTTP/1.1 200 OK\r\nX: ")
    drip(say, b"x")


def dripping_status(say: Say) -> None:
    drip(say, b"H")


def headers_without_end(say: Say) -> None:
    say(b"HTTP/1.1 200 OK\r\n")
    drip(say, b"X: y\r\n", 0.5)


def continue_slowly(say: Say) -> None:
    drip(say, b"HTTP/1.1 100 Continue\r\n\r\n")


def continue_fast(say: Say) -> None:
    drip(say, b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 0.0)


def dripping_body(say: Say) -> None:
    say(head("Content-Length: 1000000"))
    drip(say, b"x")


def body_without_length(say: Say) -> None:
    say(head())
    drip(say, b"x")


def chunk_size_without_end(say: Say) -> None:
    say(head("Transfer-Encoding: chunked"))
    drip(say, b"0")


def trailers_without_end(say: Say) -> None:
    say(head("Transfer-Encoding: chunked") + b"0\r\n")
    drip(say, b"X: y\r\n")


def gzip_without_content(say: Say) -> None:
    say(head("Content-Encoding: gzip") + b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03")
    drip(say, EMPTY_BLOCK)


def moved_dripping(say: Say) -> None:
    say(head(*MOVED, "Content-Length: 1000000", status="302 Found"))
    drip(say, b"x")


def moved_in_circles_slowly(say: Say) -> None:
    say(head("Location: /moved_in_circles_slowly", "Content-Length: 10", status="302 Found"))
    time.sleep(0.7)
    say(b"0123456789")


def moved_endless(say: Say) -> None:
    say(head(*MOVED, status="302 Found"))
    drip(say, b"x" * 65536, 0.0)


def moved_bomb(say: Say) -> None:
    body = bomb()
    say(head(*MOVED, "Content-Encoding: gzip", f"Content-Length: {len(body)}", status="302 Found") + body)


def moved_bomb_in_a_bomb(say: Say) -> None:
    body = gzip.compress(bomb(), 9)
    say(head(*MOVED, "Content-Encoding: gzip, gzip", f"Content-Length: {len(body)}", status="302 Found") + body)


SLOW = (
    dripping_header, dripping_status, headers_without_end, continue_slowly, continue_fast, dripping_body,
    body_without_length, chunk_size_without_end, trailers_without_end, gzip_without_content, moved_dripping,
    moved_in_circles_slowly,
)  # fmt: skip
LARGE = (moved_endless, moved_bomb, moved_bomb_in_a_bomb)


@contextmanager
def hostile(**more: Callable[[Say], None]) -> Iterator[str]:
    """Its address; the path names what it does."""
    named = {each.__name__: each for each in (*SLOW, *LARGE)} | more
    listening = socket.create_server(("127.0.0.1", 0))

    def answer(connected: socket.socket) -> None:
        with connected, suppress(OSError):
            asked = b""
            while b"\r\n\r\n" not in asked:
                asked += connected.recv(65536)
            named[asked.split()[1].decode().partition("?")[0].strip("/")](connected.sendall)

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(listening.accept()[0],), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
