"""What each odd picture, and each odd address, gets from a crawl of plain addresses.

    WHYREC_REAL=… python -m benchmarks.addresses

Serves the folder data/odd_images of WHYREC_REAL on this machine, always as image/jpeg, crawls it with the settings of
params.yaml (127.0.0.1 allowed, as no other private host is), and prints a line a picture.
"""

import json
import os
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.crawl import finish, give, laid, start
from engine.tables.schemas import CATALOG, IMAGES, ITEMS
from engine.tables.store import read, read_shards

GOOD = "hopper.jpg"


class Handler(BaseHTTPRequestHandler):
    """/odd/NAME is a picture; /hops/N leads to one over N redirects; the others are what their names say."""

    folder: Path

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        what, _, rest = self.path[1:].partition("/")
        host = f"http://127.0.0.1:{self.server.server_port}"  # type: ignore[attr-defined]
        match what:
            case "odd":
                self._say(200, (self.folder / rest).read_bytes())
            case "hops":
                self._say(302, b"", f"{host}/hops/{int(rest) - 1}" if int(rest) > 1 else f"{host}/odd/{GOOD}")
            case "away":
                self._say(302, b"", rest)
            case "large":
                self._say(200, (self.folder / GOOD).read_bytes() + bytes(11_000_000))
            case status:
                self._say(int(status), b"<html>")

    def _say(self, status: int, body: bytes, location: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Content-Length", str(len(body)))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """Says nothing when an asker hangs up, as it does of too large an answer."""

    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The folder on this machine: its address."""
    server = Server(("127.0.0.1", 0), type("Here", (Handler,), {"folder": folder}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def odd(host: str) -> dict[str, str]:
    """Addresses by what is odd about them."""
    here, port = f"http://{host}", host.rpartition(":")[2]
    private = ("localhost", "127.0.0.2", "10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "0x7f000002")
    return {
        **{f"{n} redirects": f"{here}/hops/{n}" for n in (1, 3, 4)},
        **{f"at {name}": f"http://{name}:{port}/odd/{GOOD}" for name in private},
        "a redirect to 127.0.0.2": f"{here}/away/http://127.0.0.2:{port}/odd/{GOOD}",
        "a redirect to a file": f"{here}/away/file:///etc/hostname",
        "11 megabytes": f"{here}/large",
        "HTTP 404": f"{here}/404",
        "HTTP 410": f"{here}/410",
        "HTTP 403": f"{here}/403",
        "a name and a password": f"http://a:b@{host}/odd/{GOOD}",
        "ftp": f"ftp://{host}/odd/{GOOD}",
        "data": "data:image/png;base64,AAAA",
        "a line in it": f"{here}/odd/{GOOD}\r\nX: y",
        "no address": "picture.jpg",
    }


def crawled(folder: Path, places: dict[str, str]) -> dict[str, str]:
    """How the picture at each address stands; what is `ok` is there."""
    rows = [(n, name, name, [], [{"service": "address", "id": at}]) for n, (name, at) in enumerate(places.items(), 1)]
    give(pl.DataFrame(rows, schema=dict(ITEMS.columns), orient="row"), folder)
    settings = ("allowed=127.0.0.1", "failed=1", "retries=1", "rate=1000")
    finish(start(folder, folder / "out", "addresses", *settings))
    catalog = read(laid(folder / "out").catalog, CATALOG)
    there = {item for part in read_shards(laid(folder / "out").images, IMAGES) for item in part["item"]}
    assert there == set(catalog.filter(pl.col("picture") == "ok")["item"])
    return dict(zip(catalog["title"], catalog["picture"], strict=True))


def main() -> None:
    """Print how each picture stands, and where that differs from what the folder's list says of it."""
    if "WHYREC_REAL" not in os.environ:
        sys.exit("set WHYREC_REAL to the folder with data/odd_images")
    pictures = Path(os.environ["WHYREC_REAL"]) / "data" / "odd_images"
    told = json.loads((pictures / "MANIFEST.json").read_text())
    with served(pictures) as host, tempfile.TemporaryDirectory() as name:
        found = crawled(Path(name), {one: f"http://{host}/odd/{one}" for one in told} | odd(host))
    for name, status in found.items():
        print(f"{name:45} {status}")
    wrong = [name for name in told if (found[name] == "ok") != told[name]["loads"]]
    kinds = Counter(found[name].partition(":")[0] for name in told)
    print(f"{len(told)} odd pictures: {dict(kinds)}; other than the list says: {wrong}")


if __name__ == "__main__":
    main()
