"""Pictures to regions of vectors."""

from typing import Literal

import polars as pl

from engine.features.extraction import Target, extract
from engine.features.parts import Plan
from engine.features.pictures import backbone
from engine.features.pictures.detector import Limits
from engine.features.readers import Cells, Objects
from engine.tables import store
from engine.tables.command import run
from engine.tables.layout import Layout
from engine.tables.schemas import IMAGES, REGIONS
from engine.tables.settings import Record


class Regions(backbone.Encoder):
    """`grid`: `rows` x `columns` cells of a network's map; `faster_rcnn`: what a detector finds; `none` skips."""

    detector: Literal["grid", "faster_rcnn", "none"]
    rows: int
    columns: int
    faster_rcnn: Limits


class Params(Record):
    """What dvc.yaml declares."""

    regions: Regions
    device: Literal["auto", "cpu", "cuda"]
    seed: int


def main(params: Params, layout: Layout) -> None:
    """Cut each picture into regions and say what a network sees in each: box, score and vector.

    `grid` takes equal cells of the network's last map (or of a named layer's), each by average pooling; `faster_rcnn`
    the proposals that a detector is sure of. A picture that cannot be read, or in which nothing is found, gets no row;
    the table's metadata count them.
    """
    settings = params.regions
    if settings.detector == "none":
        store.write(pl.DataFrame(schema=dict(REGIONS.columns)), layout.regions, REGIONS, {"detector": "none"})
        return
    encoder = backbone.Encoder(**settings.model_dump(include=set(backbone.Encoder.model_fields)))
    plan: Plan = (
        Cells(encoder, params.seed, params.device, (settings.rows, settings.columns))
        if settings.detector == "grid"
        else Objects(encoder, params.seed, params.device, settings.faster_rcnn)
    )
    target = Target(layout.regions, REGIONS, "region", settings.width, {})
    extract(plan, layout.images, IMAGES, ["item", "image"], {"said": target})


if __name__ == "__main__":
    run(main)
