"""A crawl against the replay server: faultless, with faults, killed on the way, with a spent quota and a wrong key;
and of a hostile server.

    WHYREC_REAL=… python -m benchmarks.crawl [--order tmdb] [--movies 0] [--kills 5] [--rate 40] [--garbage 0.02]

Prints whether the tables are equal byte for byte, and what was asked for again. The folder that WHYREC_REAL names holds
tools/replay_server.py and data/. TMDb, Pinterest and several services in order have the 9,742 films of MovieLens
latest-small, OMDb alone its records of the 1,682 of ml-100k. The whole of TMDb takes about half an hour; --movies takes
the first ones, --set another setting (of one service: omdb.rate=20). Of several services it is also worked out from the
files themselves whose text and picture each film has to get.
"""

import argparse
import importlib.util
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import warnings
from argparse import Namespace
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import polars as pl

from benchmarks import hostile
from engine.tables.layout import Layout
from engine.tables.schemas import CATALOG, IMAGES, ITEMS
from engine.tables.store import read, read_shards, write, write_shards

FAULTS = {"fail": 0.05, "reset": 0.02, "truncate": 0.02, "garbage": 0.02}
SERVICES = {"tmdb": ("movielens", "3"), "omdb": ("movielens", "omdb"), "pinterest": ("pinterest", "v5")}
DATASETS = {"addresses": "amazon"} | {name: dataset for name, (dataset, _) in SERVICES.items()}
ORDERS = (*SERVICES, "tmdb,omdb", "omdb,tmdb")
KEYS = ("TMDB_API_KEY", "OMDB_API_KEY", "PINTEREST_ACCESS_TOKEN")
PIN = 900_000_000  # the replay server's pins are its movies' numbers and this


def items(real: Path, folder: Path, movies: int, order: str = "tmdb") -> int:
    """The items table of the first `movies` (0: all) and empty given tables in `folder`; gives the number of items."""
    frame = (_records if order == "omdb" else _movies)(real / "data")
    frame = frame.head(movies) if movies else frame
    known = [{"omdb": "imdb"}.get(service, service) for service in order.split(",")]
    columns = {
        "item": range(1, frame.height + 1),
        "raw": frame["movieId"],
        "title": frame["title"],
        "categories": [[[genre] for genre in genres.split("|")] for genres in frame["genres"]],
        "ids": [
            [{"service": by, "id": row[by]} for by in known if row[by]]
            for row in frame.select(known).iter_rows(named=True)
        ],
    }
    give(pl.DataFrame(columns, schema=dict(ITEMS.columns)), folder)
    return frame.height


def laid(folder: Path) -> Layout:
    """Where the tables of a crawl lie."""
    return Layout(folder, "temporal")


def give(items: pl.DataFrame, folder: Path) -> None:
    """The items and empty given tables in `folder`."""
    layout = laid(folder)
    write(items, layout.items, ITEMS)
    write(pl.DataFrame(schema=dict(CATALOG.columns)), layout.given_catalog, CATALOG)
    write_shards([], layout.given_images, IMAGES)


def _movies(data: Path) -> pl.DataFrame:
    names, links = (pl.read_csv(data / "ml-latest-small" / n, infer_schema=False) for n in ("movies.csv", "links.csv"))
    return names.join(links, on="movieId", how="left", maintain_order="left").with_columns(
        tmdb=pl.col("tmdbId"),
        imdb="tt" + pl.col("imdbId"),
        pinterest=(pl.col("movieId").cast(pl.Int64) + PIN).cast(pl.String),
    )


def _records(data: Path) -> pl.DataFrame:
    lines = [json.loads(line) for line in (data / "omdb_ml100k.jsonl").read_text().splitlines()]
    rows = [(str(one["movie_id"]), one["title"], one["omdb"]["Genre"], f"tt{one['imdbId']}") for one in lines]
    return pl.DataFrame(rows, schema=["movieId", "title", "genres", "imdb"], orient="row")


class Server(ThreadingHTTPServer):
    """Says nothing when an asker is killed."""

    def handle_error(self, *_: Any) -> None:
        if not isinstance(sys.exception(), OSError):
            raise


class Replay:
    """The replay server in this process, with a record of every request and of every genuine HTTP 200."""

    def __init__(self, real: Path, rate: int, **faults: float) -> None:
        spec = importlib.util.spec_from_file_location("replay_server", real / "tools" / "replay_server.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        record = self

        class Handler(module.Handler):  # type: ignore[name-defined,misc]
            def do_GET(self) -> None:
                if self.path != "/__stats":
                    record.asked.append(plain(self.path))
                super().do_GET()

            def send(self, status: int, body: Any, *rest: Any, cut: int | None = None, **more: Any) -> None:
                garbage = isinstance(body, bytes) and body.startswith(b"<")
                if status == 200 and cut is None and self.path != "/__stats":
                    (record.garbage if garbage else record.whole)[plain(self.path)] += 1
                super().send(status, body, *rest, cut=cut, **more)

        self.posters = real / "data" / "posters"
        self.asked: list[str] = []
        self.whole, self.garbage = Counter[str](), Counter[str]()
        self.server: Any = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.opts = Namespace(rate=rate, quota=0, slow_ms=0, **dict.fromkeys(FAULTS, 0.0) | faults)
        self.server.lock, self.server.rng, self.server.recent = threading.Lock(), Random(0), deque()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # it leaves its files to be closed by whoever comes by
            self.server.tmdb_movies, self.server.imdb_movies, self.server.pins = module.load()
        self.server.count = self.server.in_flight = self.server.max_in_flight = 0
        self.server.statuses, self.server.kinds, self.server.served = Counter(), Counter(), Counter()
        self.host = f"http://127.0.0.1:{self.server.server_port}"
        self._house_posters()

    def _house_posters(self) -> None:
        """OMDb's posters lie at Amazon: here they are those of the same films that the server has, or not found."""
        files = {one["imdb_id"]: one["poster_path"] for one in self.server.tmdb_movies.values()}
        for film, record in self.server.imdb_movies.items():
            if record["Poster"] != "N/A":
                record["Poster"] = f"{self.host}/t/p/original{files.get(film) or '/none.jpg'}"

    def settings(self, order: str) -> list[str]:
        """What to set for a crawl of the services in `order`."""
        names = order.split(",")
        found = [f"{name}.base={self.host}/{SERVICES[name][1]}" for name in names]
        return [*found, f"tmdb.images={self._images()}"] if "tmdb" in names else found

    def has(self, service: str, ids: dict[str, str]) -> tuple[str, Path | None]:
        """The words and the picture's file that TMDb or OMDb has for a film, by the server's own records."""
        if service == "tmdb":
            record = self.server.tmdb_movies.get(int(ids.get("tmdb", 0)), {})
            words, poster = record.get("overview"), record.get("poster_path")
        else:
            record = self.server.imdb_movies.get(ids.get("imdb"), {})
            words, poster = (record.get(name, "").replace("N/A", "") for name in ("Plot", "Poster"))
        file = self.posters / (poster or "none.jpg").rpartition("/")[2]
        return (words or "").strip(), file if file.exists() else None

    def _images(self) -> str:
        """`configuration` where /3/configuration answers, else where the server has its pictures."""
        base = f"{self.host}/3"
        for _ in range(50):
            try:
                with urllib.request.urlopen(f"{base}/configuration?api_key=replay", timeout=10) as answer:
                    json.load(answer)
                return "configuration"
            except urllib.error.HTTPError as error:
                if error.code == 404:
                    return f"{self.host}/t/p"
            except (OSError, ValueError):
                continue
        raise ConnectionError(f"{base}: fifty faults in a row")

    def stats(self) -> dict[str, Any]:
        """What /__stats says."""
        with urllib.request.urlopen(f"{self.host}/__stats", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found


def plain(path: str) -> str:
    """A request's path without its key."""
    parts = urlsplit(path)
    query = "&".join(part for part in parts.query.split("&") if not part.startswith(("api_key=", "apikey=")))
    return urlunsplit(parts._replace(query=query))


@contextmanager
def replay(real: Path, rate: int = 0, **faults: float) -> Iterator[Replay]:
    """A running Replay."""
    found = Replay(real, rate, **faults)
    thread = threading.Thread(target=found.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.server.shutdown()
        found.server.server_close()
        thread.join()


def start(folder: Path, out: Path, order: str, *settings: str, key: str = "replay") -> "subprocess.Popen[str]":
    """A crawl of `folder`'s items into `out`, its answers under `out`/.cache, in a process of its own.

    A setting is one service's (`tmdb.rate=40`) or that of all in the `order` (`rate=40`).
    """
    names = order.split(",")
    dataset = DATASETS[names[0]]
    if not laid(out).items.exists():
        shutil.copytree(laid(folder).given_catalog.parent, laid(out).given_catalog.parent)
        shutil.copy(laid(folder).items, laid(out).items)
    overrides = [f"dataset={dataset}", f"datasets.{dataset}.crawl.services=[{order}]"]
    for one in settings:
        named = [one] if "." in one.partition("=")[0] else [f"{name}.{one}" for name in names]
        overrides += [f"++services.{each}" for each in named]
    return subprocess.Popen(
        [sys.executable, "-m", "stages.crawl", str(out), *overrides, "--readings", str(out / "metrics")],
        env={**os.environ, "DVC_ROOT": str(out), **dict.fromkeys(KEYS, key)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a shell's job may ignore it
    )  # fmt: skip


def finish(crawl: "subprocess.Popen[str]") -> str:
    """What a crawl printed; it must end well."""
    said, _ = crawl.communicate()
    if crawl.returncode:
        raise RuntimeError(f"the crawl ended with {crawl.returncode}: {said}")
    return said


def refused(crawl: "subprocess.Popen[str]") -> str:
    """What a crawl printed that had to stop."""
    said, _ = crawl.communicate()
    if not crawl.returncode:
        raise RuntimeError(f"the crawl ended well, and had to stop: {said}")
    return " ".join(said.split())


def stored(out: Path) -> set[str]:
    """Paths of the answers kept under `out`."""
    addresses = []
    for path in (out / ".cache" / "http").glob("*/answers.sqlite"):
        with closing(sqlite3.connect(path)) as connection:
            addresses += [row[0] for row in connection.execute("SELECT address FROM kept")]
    return {urlunsplit(urlsplit(address)._replace(scheme="", netloc="")) for address in addresses}


def killed(server: Replay, begin: Any, out: Path, every: int, kills: int) -> dict[str, int]:
    """Run `begin()` and kill it with -9 after each `every` requests, `kills` times; then let it end.

    Gives how many answers were kept at the last kill, and how many requests were made for what had been kept before.
    """
    kept: set[str] = set()
    again = seen = 0
    for _ in range(kills):
        crawl, goal = begin(), len(server.asked) + every
        while len(server.asked) < goal and crawl.poll() is None:
            time.sleep(0.02)
        if crawl.poll() is not None:
            raise RuntimeError(f"the crawl ended before it was killed: {finish(crawl)}")
        os.killpg(crawl.pid, signal.SIGKILL)
        crawl.communicate()
        time.sleep(0.2)  # what was under way at the server gets its line in the record
        again += sum(path in kept for path in server.asked[seen:])
        seen, kept = len(server.asked), stored(out)
    finish(begin())
    again += sum(path in kept for path in server.asked[seen:])
    return {"kept_at_last_kill": len(kept), "asked_again_though_kept": again}


def tables(out: Path) -> list[str]:
    """Which of the crawl's tables are there."""
    layout = laid(out)
    return [path.name for path in (layout.catalog, layout.images, layout.metric("crawl")) if path.exists()]


def spent(server: Replay, begin: Any, out: Path, quota: int) -> dict[str, Any]:
    """Run `begin()` until OMDb's `quota` is spent, and again on the day after; as `killed`, and what was said."""
    server.server.opts.quota = quota
    said = refused(begin())
    seen, kept, left = len(server.asked), stored(out), tables(out)
    server.server.opts.quota = 0
    finish(begin())
    again = sum(path in kept for path in server.asked[seen:])
    return {"said": said, "kept": len(kept), "asked_again_though_kept": again, "tables_left": left}


def same(one: Path, two: Path) -> bool:
    """Whether two crawls left the same bytes: catalog, pictures, report."""

    def files(out: Path) -> dict[str, bytes]:
        layout = laid(out)
        found = [layout.catalog, layout.metric("crawl"), *sorted(layout.images.iterdir())]
        return {str(path.relative_to(out)): path.read_bytes() for path in found}

    return files(one) == files(two)


def ruled(server: Replay, folder: Path, out: Path, order: str) -> str:
    """Whether each film has the first text and the first picture that there is in the `order`, and whose they are."""
    catalog, items = read(laid(out).catalog, CATALOG), read(laid(folder).items, ITEMS)
    pictures = {row["item"]: row["image"] for part in read_shards(laid(out).images, IMAGES) for row in part.to_dicts()}
    wrong, sources = [], Counter[str]()
    for row, ids in zip(catalog.to_dicts(), items["ids"], strict=True):
        has = {name: server.has(name, {one["service"]: one["id"] for one in ids}) for name in order.split(",")}
        text, picture = (next((name for name, one in has.items() if one[i]), None) for i in (0, 1))
        shown = picture and has[picture][1]
        due = (has[text][0] if text else None, shown.read_bytes() if shown else None)
        whose = " + ".join(dict.fromkeys(name for name in (text, picture) if name))
        if (row["text"], pictures.get(row["item"])) != due or (whose and row["source"] != whose):
            wrong.append(row["item"])
        sources[whose or "nobody"] += 1
    return f"{len(wrong)} of {catalog.height} films against the rule {wrong[:5]}; {dict(sources.most_common())}"


def options() -> Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--order", "--service", choices=ORDERS, default="tmdb", help="a service, or several in order")
    parser.add_argument("--movies", type=int, default=0)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--rate", type=int, default=40, help="of the server; a crawl asks as params.yaml says")
    parser.add_argument("--only", choices=("clean", "faulty", "killed", "quota", "key", "hostile"))
    parser.add_argument("--set", action="append", default=[], metavar="key=value", help="another setting of the crawl")
    for name, share in FAULTS.items():
        parser.add_argument(f"--{name}", type=float, default=share)
    return parser.parse_args()


def main() -> None:
    """Crawl faultless, with faults, killed, over a quota and with a wrong key; print what differs or is asked again."""
    chosen = options()
    if "WHYREC_REAL" not in os.environ:
        sys.exit("set WHYREC_REAL to the folder with tools/replay_server.py and data/")
    real, order = Path(os.environ["WHYREC_REAL"]), chosen.order
    if chosen.only in (None, "hostile"):
        hostile.statuses(real, deadline=3)
    if chosen.only == "hostile":
        return
    ways = (chosen.only,) if chosen.only else ("faulty", "killed", "key", *(("quota",) if "omdb" in order else ()))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count = items(real, folder, chosen.movies, order)
        with replay(real) as server:
            finish(start(folder, folder / "clean", order, *server.settings(order), "rate=1000"))
            print(f"{count} items, faultless: {server.stats()}\n{laid(folder / 'clean').metric('crawl').read_text()}")
            if "," in order:
                print(f"{order}: {ruled(server, folder, folder / 'clean', order)}", flush=True)
        for way in ways if chosen.only != "clean" else ():
            attempt(real, folder, way, chosen, count)


def attempt(real: Path, folder: Path, way: str, chosen: Namespace, count: int) -> None:
    """One way to crawl, and what came of it."""
    faults = {name: getattr(chosen, name) for name in FAULTS}
    out, order, found = folder / way, chosen.order, {}
    with replay(real, chosen.rate, **faults) as server:
        settings, before, began = [*server.settings(order), *chosen.set], len(server.asked), time.monotonic()

        def begin() -> "subprocess.Popen[str]":
            return start(folder, out, order, *settings, key="bad-key" if way == "key" else "replay")

        match way:
            case "key":
                said = refused(begin())
                asked = len(server.asked) - before
                print(f"wrong key: {asked} requests, key shown: {'bad-key' in said}\n  {said}", flush=True)
                return
            case "killed":
                found = killed(server, begin, out, count * len(order.split(",")) // chosen.kills, chosen.kills)
            case "quota":
                # the server counts all requests; of TMDb's there are 1.7 a film
                found = spent(server, begin, out, int(count * (1.9 if order == "tmdb,omdb" else 0.5)))
            case "faulty":
                finish(begin())
        repeated = sum(n - 1 for n in server.whole.values())
        print(
            f"{way} ({faults}, rate {chosen.rate}): {time.monotonic() - began:.0f} s, {found}, "
            f"tables equal the faultless crawl's: {same(folder / 'clean', out)}\n"
            f"  /__stats {server.stats()}\n"
            f"  of its repeated_200: {repeated} whole answers sent again, the others garbage sent as 200 "
            f"({server.garbage.total()} in all)",
            flush=True,
        )


if __name__ == "__main__":
    main()
