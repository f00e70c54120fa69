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
from engine.tables.settings import Record


class Regions(PictureEncoder):
    """`grid`: `rows` x `columns` cells of a network's map; `faster_rcnn`: what a detector finds; `none` skips."""

    detector: Literal["grid", "faster_rcnn", "none"] = Field("grid", description="how regions are found; none skips")
    rows: int = Field(4, ge=1, description="cells of the grid from top to bottom")
    columns: int = Field(3, ge=1, description="cells of the grid from left to right")
    faster_rcnn: Detection = Field(Detection(), description="which proposals of the detector are regions")


class Params(Record):
    """What dvc.yaml declares."""

    regions: Regions = Field(description="vectors of parts of a picture")
    dataset: str = Field(description="the data set's name, as an untrained network is the demo's alone")
    device: Literal["auto", "cpu", "cuda"] = Field(description="where the network runs")
    seed: int = Field(ge=0, description="of untrained weights")


def main(params: Params, layout: Layout) -> None:
    """Cut each picture into regions, each with its box, score and vector.

    `grid` takes equal cells of the network's last map (or of a named layer's), each by average pooling; `faster_rcnn`
    the proposals that a detector is sure of. A picture that cannot be read, or in which nothing is found, gets no row;
    the table's metadata count them.
    """
    settings = params.regions
    if settings.detector == "none":
        store.write(pl.DataFrame(schema=dict(REGIONS.columns)), layout.regions, REGIONS, {"detector": "none"})
        return
    settings.refuse_untrained(params.dataset, "regions")
    encoder = PictureEncoder(**settings.model_dump(include=set(PictureEncoder.model_fields)))
    factory: ExtractorFactory = (
        GridRegions(encoder, params.seed, params.device, (settings.rows, settings.columns))
        if settings.detector == "grid"
        else DetectedRegions(encoder, params.seed, params.device, settings.faster_rcnn)
    )
    output = OutputTable(layout.regions, REGIONS, "region", settings.width, {})
    extract(factory, layout.images, IMAGES, ["item", "image"], {"vectors": output})


if __name__ == "__main__":
    run(main)
