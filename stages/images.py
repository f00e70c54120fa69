"""Pictures to vectors."""

from typing import Literal

import polars as pl

from engine.features.extraction import OutputTable, extract
from engine.features.pictures.extractors import WholePictures
from engine.features.settings import PictureEncoder
from engine.tables import store
from engine.tables.command import run
from engine.tables.layout import Layout
from engine.tables.schemas import IMAGES, VECTORS
from engine.tables.settings import Record, Seed


class Params(Record):
    """What dvc.yaml declares; `images.backbone: none` skips."""

    dataset: str
    images: PictureEncoder
    device: Literal["auto", "cpu", "cuda"]
    seed: Seed


def main(params: Params, layout: Layout) -> None:
    """Turn each picture as a whole into one vector.

    It is the average of the network's last map, or what a named layer puts out (a map is averaged).
    A picture that cannot be read gets no row; the table's metadata count them.
    """
    read = settings(params)
    if read.backbone == "none":
        store.write(pl.DataFrame(schema=dict(VECTORS.columns)), layout.image, VECTORS, {"backbone": "none"})
        return
    output = OutputTable(layout.image, VECTORS, "vector", read.width, {})
    factory = WholePictures(read, params.seed, params.device)
    extract(factory, layout.images, IMAGES, ["item", "image"], {"vectors": output})


def settings(params: Params) -> PictureEncoder:
    """The section, checked with the data set that it is for."""
    if params.images.backbone != "none":
        params.images.refuse_untrained(params.dataset, "images")
    return params.images


if __name__ == "__main__":
    run(main)
