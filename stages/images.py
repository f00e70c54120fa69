"""Pictures to vectors."""

from typing import Literal

import polars as pl
from pydantic import Field

from engine.features.extraction import OutputTable, extract
from engine.features.pictures.extractors import WholePictures
from engine.features.settings import PictureEncoder
from engine.tables import store
from engine.tables.command import run
from engine.tables.layout import Layout
from engine.tables.schemas import IMAGES, VECTORS
from engine.tables.settings import Record


class Params(Record):
    """What dvc.yaml declares; `images.backbone: none` skips."""

    images: PictureEncoder = Field(description="one vector a picture")
    dataset: str = Field(description="the data set's name, as an untrained network is the demo's alone")
    device: Literal["auto", "cpu", "cuda"] = Field(description="where the network runs")
    seed: int = Field(ge=0, description="of untrained weights")


def main(params: Params, layout: Layout) -> None:
    """Turn each picture as a whole into one vector.

    It is the average of the network's last map, or what a named layer puts out (a map is averaged).
    A picture that cannot be read gets no row; the table's metadata count them.
    """
    settings = params.images
    if settings.backbone == "none":
        store.write(pl.DataFrame(schema=dict(VECTORS.columns)), layout.image, VECTORS, {"backbone": "none"})
        return
    settings.refuse_untrained(params.dataset, "images")
    output = OutputTable(layout.image, VECTORS, "vector", settings.width, {})
    factory = WholePictures(settings, params.seed, params.device)
    extract(factory, layout.images, IMAGES, ["item", "image"], {"vectors": output})


if __name__ == "__main__":
    run(main)
