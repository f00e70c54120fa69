"""Pictures to regions of vectors."""

from pathlib import Path
from typing import Literal

import polars as pl

from engine import backbone, store
from engine.detector import Limits
from engine.extraction import Target, extract
from engine.params import Record, run
from engine.parts import Plan
from engine.readers import Cells, Objects
from engine.tables import IMAGES, REGIONS


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


def main(params: Params, images: Path, out: Path) -> None:
    """Cut each picture into regions and say what a network sees in each: box, score and vector.

    `grid` takes equal cells of the network's last map (or of a named layer's), each by average pooling; `faster_rcnn`
    the proposals that a detector is sure of. A picture that cannot be read, or in which nothing is found, gets no row;
    the table's metadata count them.
    """
    settings = params.regions
    if settings.detector == "none":
        store.write(pl.DataFrame(schema=dict(REGIONS.columns)), out, REGIONS, {"detector": "none"})
        return
    encoder = backbone.Encoder(**settings.model_dump(include=set(backbone.Encoder.model_fields)))
    plan: Plan = (
        Cells(encoder, params.seed, params.device, (settings.rows, settings.columns))
        if settings.detector == "grid"
        else Objects(encoder, params.seed, params.device, settings.faster_rcnn)
    )
    target = Target(out, REGIONS, "region", settings.width, {})
    extract(plan, images, IMAGES, ["item", "image"], {"said": target})


if __name__ == "__main__":
    run(main)
