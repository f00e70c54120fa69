import io
import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import polars as pl
import pytest
from PIL import Image

from engine.tables.layout import Layout
from engine.tables.params import read_yaml
from engine.tables.schemas import CATALOG, IMAGES, ITEMS
from engine.tables.settings import checked
from engine.tables.store import write, write_shards
from stages.crawl.answer_store import AnswerStore
from stages.crawl.chosen_services import Params, Settings, api_key, chosen_services, open_service
from stages.crawl.fetcher import Fetcher
from stages.crawl.services.item_content import ItemContent, ItemRequest
from stages.crawl.services.tmdb import TmdbKey, TmdbSettings

ROOT = Path(__file__).parents[3]
PARAMS = read_yaml(ROOT / "params.yaml")
KEY = "0123456789abcdef0123456789abcdef"
MANNERS: dict[str, Any] = {
    "rate": 500, "workers": 4, "timeout": 2, "deadline": 4, "retries": 3, "backoff": 0.01, "longest_wait": 5,
    "megabytes": 1, "failed": 0.0,
}  # fmt: skip
ABROAD: dict[str, Any] = MANNERS | {"redirects": 3, "allowed": ""}


def params(*services: str, **differs: dict[str, Any]) -> Params:
    """The crawl's params: `services` asked in order, with what `differs` from params.yaml."""
    crawl = {"services": list(services), "differs": differs}
    return checked(Params, {"crawl": crawl, "services": PARAMS["services"]}, "crawl")


def tables(folder: Path, items: list[tuple[Any, ...]]) -> Layout:
    """A data set of `items` (rows of the items table) with nothing given, unless something was given before."""
    layout = Layout(folder, "temporal")
    write(pl.DataFrame(items, schema=dict(ITEMS.columns), orient="row"), layout.items, ITEMS)
    if not layout.given_catalog.exists():
        give(folder, [], [])
    return layout


def give(folder: Path, catalog: list[tuple[Any, ...]], images: list[dict[str, Any]]) -> None:
    """What comes with the raw logs of the data set in `folder`."""
    layout = Layout(folder, "temporal")
    write(pl.DataFrame(catalog, schema=dict(CATALOG.columns), orient="row"), layout.given_catalog, CATALOG)
    write_shards([pl.DataFrame(images, schema=dict(IMAGES.columns))], layout.given_images, IMAGES)


def jpeg(red: int = 200) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (20, 30), (red % 256, 10, 10)).save(buffer, "JPEG")
    return buffer.getvalue()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        service: Service = self.server.service  # type: ignore[attr-defined]
        with service.lock:
            service.asked.append((url.path, dict(parse_qsl(url.query)), dict(self.headers), time.monotonic()))
            script = service.scripts.get(url.path, deque([(404, {"status_code": 34})]))
            reply = script.popleft() if len(script) > 1 else script[0]
        if callable(reply):
            reply(self)
        else:
            self.say(*reply)

    def say(self, status: int, body: Any, headers: dict[str, str] | None = None, cut: int | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data[:cut])
        if cut is not None:
            self.close_connection = True

    def reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.close_connection = True
        self.connection.close()


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """The asker hung up, as some tests make it do."""


class Service:
    """A service whose replies are written down: one after another, the last for ever."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.asked: list[tuple[str, dict[str, str], dict[str, str], float]] = []
        self.scripts: dict[str, deque[Any]] = {}
        self.http = Server(("127.0.0.1", 0), Handler)
        self.http.service = self  # type: ignore[attr-defined]
        self.host = f"http://127.0.0.1:{self.http.server_port}"
        self.base = f"{self.host}/3"
        images = {"secure_base_url": f"{self.host}/t/p/", "poster_sizes": ["w92", "w342"], "backdrop_sizes": ["w300"]}
        self.says("/3/configuration", (200, {"images": images}))

    def says(self, path: str, *replies: Any) -> None:
        self.scripts[path] = deque(replies)

    def film(self, number: int, **more: Any) -> None:
        body = {"id": number, "title": f"Film {number}", "overview": f"Plot {number}.", "poster_path": f"/{number}.jpg"}
        self.says(f"/3/movie/{number}", (200, body | more))
        self.says(f"/t/p/w342/{number}.jpg", (200, jpeg(number)))

    def before(self, path: str, *replies: Any) -> None:
        """Put faults before what is said at `path`."""
        self.scripts[path].extendleft(reversed(replies))

    def paths(self) -> list[str]:
        return [path for path, *_ in self.asked]


@pytest.fixture
def service() -> Iterator[Service]:
    found = Service()
    thread = threading.Thread(target=found.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield found
    found.http.shutdown()
    found.http.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("TMDB_API_KEY", "OMDB_API_KEY", "PINTEREST_ACCESS_TOKEN"):
        monkeypatch.setenv(name, KEY)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))


@pytest.fixture
def settings(service: Service) -> Callable[..., TmdbSettings]:
    def make(**more: Any) -> TmdbSettings:
        plain: dict[str, Any] = {
            "service": "tmdb", "base": service.base, "images": "configuration", "kind": "poster", "size": "w342",
            "language": "en-US",
        }  # fmt: skip
        return TmdbSettings(**plain | MANNERS | more)

    return make


@pytest.fixture
def fetch(settings: Callable[..., TmdbSettings], tmp_path: Path) -> Iterator[Callable[..., Fetcher]]:
    """Makes fetchers over one file of answers; closed at the end."""
    opened: list[Any] = []

    def make(**more: Any) -> Fetcher:
        answers = AnswerStore(tmp_path / "answers.sqlite")
        fetcher = Fetcher(settings(**more), TmdbKey(), answers)
        opened.extend((closing(fetcher), closing(answers)))
        return fetcher

    yield make
    for one in opened:
        one.thing.close()


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Callable[..., ItemContent]]:
    """What the service of a section has for ids; its answers are kept from call to call."""
    opened: list[Any] = []

    def call(section: dict[str, Any], ids: dict[str, str], picture: bool = True) -> ItemContent:
        settings: Settings = chosen_services(params("one", one=section))["one"]
        answers = AnswerStore(tmp_path / f"{settings.service}.sqlite")
        fetcher = Fetcher(settings, api_key(settings), answers)
        opened.extend((fetcher, answers))
        return open_service(settings, fetcher).look_up(ItemRequest(1, ids, picture))

    yield call
    for one in opened:
        one.close()
