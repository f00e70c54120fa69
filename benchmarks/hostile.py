"""A crawl of pictures from a server that does its worst: bombs, drips, floods, odd headers, odd redirects.

`python -m benchmarks.crawl --only hostile` runs it, with tools/hostile_server.py of the folder that WHYREC_REAL names.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from engine.tables.schemas import CATALOG, ITEMS
from engine.tables.store import read

WAITING = ("hdrdrip", "c100", "c100fast", "drip", "Rdrip")  # with what a server can hold one
SETTINGS = ("allowed=127.0.0.1", "failed=1", "retries=0", "rate=1000", "workers=4")


def modes(server: Path) -> list[str]:
    """The paths that the server knows."""
    text = server.read_text()
    return [*re.findall(r'p=="(\w+)"', text), *re.findall(r'"(r[ad]\d+)":', text)]


@contextmanager
def served(server: Path) -> Iterator[str]:
    """The hostile server, once it has packed its bombs."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen([sys.executable, str(server), str(port)], stdout=subprocess.DEVNULL) as process:
        try:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    time.sleep(0.5)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def items(host: str, names: list[str], folder: Path) -> None:
    """An items table with an address a name."""
    from benchmarks.crawl import give

    rows = [(n, name, name, [], [{"service": "address", "id": f"{host}/{name}"}]) for n, name in enumerate(names, 1)]
    give(pl.DataFrame(rows, schema=dict(ITEMS.columns), orient="row"), folder)


def measured(crawl: "subprocess.Popen[str]") -> tuple[str, int, float, float]:
    """What a crawl printed, how it ended, seconds and the peak of its memory in MB."""
    began = time.monotonic()
    assert crawl.stdout is not None
    said = crawl.stdout.read()
    _, status, usage = os.wait4(crawl.pid, 0)
    crawl.returncode = os.waitstatus_to_exitcode(status)
    return said, crawl.returncode, time.monotonic() - began, usage.ru_maxrss / 1000


def statuses(real: Path, deadline: float) -> None:
    """Crawl every mode, and one good picture alone for the memory that this takes; print what came of each."""
    from benchmarks.crawl import laid, start

    server = real / "tools" / "hostile_server.py"
    with served(server) as host, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for what, names in (("ok alone", ["ok"]), ("all", modes(server))):
            items(host, names, folder / what)
            given = (*SETTINGS, f"deadline={deadline}", f"timeout={deadline}")
            crawl = start(folder / what, folder / what / "out", "addresses", *given)
            said, code, seconds, memory = measured(crawl)
            if code:
                raise RuntimeError(f"the crawl ended with {code}: {said}")
            print(f"{what}: {len(names)} addresses, {seconds:.0f} s, at most {memory:.0f} MB of memory", flush=True)
        catalog = read(laid(folder / "all" / "out").catalog, CATALOG)
        for mode, status in zip(catalog["title"], catalog["picture"], strict=True):
            print(f"  {mode:10} {status}")
        print(f"  {dict(Counter(one.partition(':')[0] for one in catalog['picture']))}", flush=True)
        interrupted(host, folder)


def interrupted(host: str, folder: Path) -> None:
    """Ctrl-C while the server holds every worker, with a deadline of ten minutes; print how long the crawl lives on."""
    from benchmarks.crawl import start

    for mode in WAITING:
        items(host, [mode] * 8, folder / mode)
        given = (*SETTINGS, "deadline=600", "timeout=600", "megabytes=50")
        crawl = start(folder / mode, folder / mode / "out", "addresses", *given)
        time.sleep(12)  # until it has imported all and hangs
        crawl.send_signal(signal.SIGINT)
        _, code, seconds, _ = measured(crawl)
        print(f"  Ctrl-C at {mode:10} ended with {code} after {seconds:.1f} s", flush=True)
