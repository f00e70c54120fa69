"""Pictures to regions of vectors."""

from typing import Literal

import polars as pl
from pydantic import Field

from engine.features.extraction import OutputTable, extract
from engine.features.extractor import ExtractorFactory
from engine.features.pictures.extractors import DetectedRegions, GridRegions
from engine.features.settings import Detection, PictureEncoder
from engine.tables import store
from engine.tables.command import run
from engine.tables.layout import Layout
from engine.tables.schemas import IMAGES, REGIONS
from engine.tables.settings import Record, Seed


class Regions(PictureEncoder):
    """A picture's regions: equal cells, or what a detector finds."""

    detector: Literal["grid", "faster_rcnn", "none"] = Field(
        "grid", description="grid: equal cells of a network's map; faster_rcnn: what a detector finds; none skips"
    )
    backbone: str = Field("resnet50", description="a network of torchvision, or with faster_rcnn a detector")
    rows: int = Field(4, ge=1, description="cells from top to bottom, of a grid")
    columns: int = Field(3, ge=1, description="cells from left to right, of a grid")
    faster_rcnn: Detection = Field(default_factory=Detection, description="which of a detector's proposals are taken")


class Params(Record):
    """What dvc.yaml declares."""

    dataset: str
    regions: Regions
    device: Literal["auto", "cpu", "cuda"]
    seed: Seed


def main(params: Params, layout: Layout) -> None:
    """Cut each picture into regions, each with its box, score and vector.

    `grid` takes equal cells of the network's last map (or of a named layer's), each by average pooling; `faster_rcnn`
    the proposals that a detector is sure of. A picture that cannot be read, or in which nothing is found, gets no row;
    the table's metadata count them.
    """
    read = settings(params)
    if read.detector == "none":
        store.write(pl.DataFrame(schema=dict(REGIONS.columns)), layout.regions, REGIONS, {"detector": "none"})
        return
    encoder = PictureEncoder(**read.model_dump(include=set(PictureEncoder.model_fields)))
    factory: ExtractorFactory = (
        GridRegions(encoder, params.seed, params.device, (read.rows, read.columns))
        if read.detector == "grid"
        else DetectedRegions(encoder, params.seed, params.device, read.faster_rcnn)
    )
    output = OutputTable(layout.regions, REGIONS, "region", read.width, {})
    extract(factory, layout.images, IMAGES, ["item", "image"], {"vectors": output})


def settings(params: Params) -> Regions:
    """The section, checked with the data set that it is for.

    Raises:
        ValueError: a detector without a network, or `weights: none` with another data set than `demo`.
    """
    if params.regions.detector != "none":
        if params.regions.backbone == "none":
            raise ValueError("regions.backbone is none; regions.detector: none skips the regions")
        params.regions.refuse_untrained(params.dataset, "regions")
    return params.regions


if __name__ == "__main__":
    run(main)
