"""Pictures to vectors."""

from typing import Literal

import polars as pl

from engine.features.extraction import Target, extract
from engine.features.pictures import backbone
from engine.features.readers import Whole
from engine.tables import store
from engine.tables.command import run
from engine.tables.layout import Layout
from engine.tables.schemas import IMAGES, VECTORS
from engine.tables.settings import Record


class Params(Record):
    """What dvc.yaml declares; `images.backbone: none` skips."""

    images: backbone.Encoder
    device: Literal["auto", "cpu", "cuda"]
    seed: int


def main(params: Params, layout: Layout) -> None:
    """Say what a network sees in each picture as a whole: one vector.

    It is the average of the network's last map, or what a named layer puts out (a map is averaged).
    A picture that cannot be read gets no row; the table's metadata count them.
    """
    settings = params.images
    if settings.backbone == "none":
        store.write(pl.DataFrame(schema=dict(VECTORS.columns)), layout.image, VECTORS, {"backbone": "none"})
        return
    target = Target(layout.image, VECTORS, "vector", settings.width, {})
    extract(Whole(settings, params.seed, params.device), layout.images, IMAGES, ["item", "image"], {"said": target})


if __name__ == "__main__":
    run(main)
