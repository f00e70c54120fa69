"""Pictures to regions of vectors."""

from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from engine import backbone, extraction, projection, store
from engine.device import place
from engine.params import Record, run
from engine.tables import REGIONS


class Regions(backbone.Encoder):
    """`grid`: `rows` x `columns` cells of a network's map; `none` skips."""

    detector: Literal["grid", "none"]
    rows: int
    columns: int


class Params(Record):
    """What dvc.yaml declares."""

    regions: Regions
    device: Literal["auto", "cpu", "cuda"]
    seed: int


def main(params: Params, images: Path, out: Path) -> None:
    """Cut each picture into regions and say what a network sees in each: box, score and vector.

    `grid` takes equal cells of the network's last map (or of a named layer's), each by average pooling.
    A picture that cannot be read gets no row; the table's metadata count them.
    """
    settings = params.regions
    if settings.detector == "none":
        store.write(pl.DataFrame(schema=dict(REGIONS.columns)), out, REGIONS, {"detector": "none"})
        return
    device = place(params.device)
    network = backbone.load(settings, params.seed)
    network.meta |= {"detector": settings.detector, **settings.model_dump(include={"rows", "columns", "size"})}
    box_M4 = grid(settings.rows, settings.columns)
    length = len(box_M4)

    def cells(map_BDHW: Tensor) -> Tensor:
        if map_BDHW.ndim != 4:
            raise ValueError(f"layer {network.meta['layer']} puts out no map: {tuple(map_BDHW.shape)}; take another")
        return adaptive_avg_pool2d(map_BDHW, (settings.rows, settings.columns)).flatten(2).transpose(1, 2)

    with projection.reduced(out, REGIONS, "region", settings.width, network.meta) as put:
        for item_G, region_GMD in extraction.seen(images, settings, network, device, cells):
            rows = np.full(len(item_G), length)
            put(
                pl.DataFrame(
                    {
                        "item": item_G,
                        "box": store.lists(np.tile(box_M4, (len(item_G), 1)), rows),
                        "score": store.lists(np.ones(rows.sum(), np.float32), rows),
                        "region": store.lists(region_GMD.reshape(rows.sum(), -1), rows),
                    }
                )
            )


def grid(rows: int, columns: int) -> np.ndarray:
    """Boxes [rows * columns, 4] of x0, y0, x1, y1 in 0..1, row by row from the top."""
    y_M, x_M = (side.ravel() for side in np.mgrid[0:rows, 0:columns])
    return np.stack([x_M / columns, y_M / rows, (x_M + 1) / columns, (y_M + 1) / rows], 1).astype(np.float32)


if __name__ == "__main__":
    run(main)
