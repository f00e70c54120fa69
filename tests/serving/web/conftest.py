"""A desk with two models of the small shop, its application, and the same on a port of this machine."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl
import pytest
import uvicorn
from fastapi import FastAPI
from PIL import Image
from starlette.testclient import TestClient

from engine.tables import store
from engine.tables.domain_words import DomainWords
from engine.tables.schemas import IMAGES, ITEMS
from serving.api import Predictor
from serving.web.app import application
from serving.web.desk import Desk
from serving.web.pictures import Pictures
from tests.serving.shop import Shop, written

HOSTILE = "<img src=x onerror=\"document.title='taken over'\">"
WORDS = DomainWords(item="film", items="films", picture="poster", act="watched")


@pytest.fixture(scope="package")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The shop with pictures of its first items, and titles that are markup."""
    shop = written(tmp_path_factory.mktemp("stocked"))
    items = store.read(shop.layout.items, ITEMS)
    hostile = pl.when(pl.col("item") > 8).then(pl.format("{} {}", pl.lit(HOSTILE), "item")).otherwise("title")
    store.write(items.with_columns(title=hostile), shop.layout.items, ITEMS)
    buffer = io.BytesIO()
    Image.new("RGB", (300, 450), "teal").save(buffer, "PNG")
    pictures = [buffer.getvalue(), b"no picture"]
    columns = {"item": [1, 2], "image": pictures, "format": ["PNG"] * 2, "width": [300] * 2, "height": [450] * 2}
    frame = pl.DataFrame(columns | {"sha256": ["0"] * 2}, schema=dict(IMAGES.columns))
    store.write_shards([frame], shop.layout.images, IMAGES)
    return shop


@pytest.fixture(scope="package")
def predictors(stocked: Shop) -> dict[str, Predictor]:
    """One that reads acts, words and regions, and one that reads acts alone."""
    found = {"ante_rnn": stocked.fitted("ante_rnn", "whole"), "ease": stocked.fitted("ease")}
    for model in found.values():
        model.recommend(model.person("p2"))  # what the first answer compiles is not what a browser waits for
    return found


@pytest.fixture(scope="package")
def app(stocked: Shop, predictors: dict[str, Predictor]) -> FastAPI:
    """As `python -m serving web` makes it for this machine alone."""
    pictures = Pictures(predictors["ante_rnn"], stocked.layout.images)
    return application(Desk(predictors), pictures, WORDS, ["127.0.0.1", "localhost"], 64)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    """Asks the application without a network."""
    with TestClient(app, base_url="http://127.0.0.1") as found:
        yield found


@pytest.fixture(scope="package")
def address(app: FastAPI) -> Iterator[str]:
    """The application on a free port of this machine, until the tests are over."""
    with served(app) as found:
        yield found


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The address of an application while it is served."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("the server did not start")
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
