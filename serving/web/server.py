"""`python -m serving web`: models behind HTTP on this machine."""

import argparse
import contextlib
import logging
import socket
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import uvicorn

from engine.tables.layout import Layout
from serving.api import Predictor, load
from serving.web.app import application
from serving.web.desk import Desk
from serving.web.line import Line
from serving.web.pictures import Pictures

LOCAL = ["127.0.0.1", "localhost", "[::1]"]
EVERYWHERE = ("0.0.0.0", "::")
CONNECTIONS = 2048  # connections that the system holds until one is taken


def serve(given: argparse.Namespace) -> None:
    """Take the port, load the models, then answer until stopped.

    Raises:
        OSError: the address cannot be had, as another program has it.
        ValueError: there are not as many folders of results as models.
    """
    logging.basicConfig(level="INFO", format="%(message)s")
    with bound(given.host, given.port) as taken:
        predictors = models(given)
        first = next(iter(predictors.values()))
        pictures = Pictures(first, Layout(given.data, "").images)
        hosts = ["*"] if given.host in EVERYWHERE else [*LOCAL, given.host]
        app = application(Desk(predictors), pictures, first.words, hosts, given.waiting)
        where = f"[{given.host}]" if ":" in given.host else given.host
        logging.info("%s on http://%s:%d (stop with Ctrl-C)", ", ".join(predictors), where, given.port)
        # with a lifespan, of which there is none, a second Ctrl-C would be told as a fault
        config = uvicorn.Config(app, backlog=CONNECTIONS, log_level="warning", server_header=False, lifespan="off")
        Server(config, app.state.lines).run(sockets=[taken])


class Server(uvicorn.Server):
    """When it is told to stop, what waits is refused at once; what is begun is answered first."""

    def __init__(self, config: uvicorn.Config, lines: Sequence[Line]):
        super().__init__(config)
        self._lines = lines

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal came: Ctrl-C, or that the process is to end."""
        begun = [line for line in self._lines if line.stop()]
        if begun:
            logging.info("stopping, as soon as what is begun is answered")
        super().handle_exit(sig, frame)


def bound(host: str, port: int) -> socket.socket:
    """A socket that has an address, so that nothing is loaded, and no address told, where it cannot be had.

    Raises:
        OSError: it cannot; says why.
    """
    try:
        kind, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with contextlib.ExitStack() as closing:
            taken = closing.enter_context(socket.socket(kind))
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(address)
            closing.pop_all()
    except OSError as error:
        raise OSError(
            f"cannot listen on {host}, port {port}: {error.strerror}; --port and --host name another"
        ) from None
    return taken


def models(given: argparse.Namespace) -> dict[str, Predictor]:
    """The models that are named, each with its own folder of results or that of the data; twice the same gets a number.

    Raises:
        ValueError: there are not as many folders of results as models.
    """
    names: list[str | None] = list(given.model) or [None]
    results: list[Path | None] = list(given.results) or [None] * len(names)
    if len(results) != len(names):
        raise ValueError(f"--results is given {len(results)} times for {len(names)} models: once for each, in order")
    found: dict[str, Predictor] = {}
    for name, folder in zip(names, results, strict=True):
        one = load(given.data, given.protocol, model=name, results=folder, device=given.device, overrides=given.set)
        same = sum(known.name == one.name for known in found.values())
        found[f"{one.name} {same + 1}" if same else one.name] = one
    return found
