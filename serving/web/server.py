"""`python -m serving web`: models behind HTTP on this machine."""

import argparse
import logging
from pathlib import Path

import uvicorn

from engine.tables.layout import Layout
from serving.api import Predictor, load
from serving.web.app import application
from serving.web.desk import Desk
from serving.web.pictures import Pictures

LOCAL = ["127.0.0.1", "localhost", "[::1]"]
EVERYWHERE = ("0.0.0.0", "::")
WAITING = 2048  # connections that the system holds until one is taken


def serve(given: argparse.Namespace) -> None:
    """Load the models, then answer until stopped.

    Raises:
        ValueError: there are not as many folders of results as models.
    """
    logging.basicConfig(level="INFO", format="%(message)s")
    predictors = models(given)
    pictures = Pictures(next(iter(predictors.values())), Layout(given.data, "").images)
    hosts = ["*"] if given.host in EVERYWHERE else [*LOCAL, given.host]
    words = next(iter(predictors.values())).words
    app = application(Desk(predictors), pictures, words, hosts)
    logging.info("%s on http://%s:%d (stop with Ctrl-C)", ", ".join(predictors), given.host, given.port)
    uvicorn.run(app, host=given.host, port=given.port, backlog=WAITING, log_level="warning", server_header=False)


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
