"""Pictures to vectors."""

from pathlib import Path
from typing import Literal

import polars as pl

from engine import backbone, store
from engine.extraction import Target, extract
from engine.params import Record, run
from engine.readers import Whole
from engine.tables import IMAGES, VECTORS


class Params(Record):
    """What dvc.yaml declares; `images.backbone: none` skips."""

    images: backbone.Encoder
    device: Literal["auto", "cpu", "cuda"]
    seed: int


def main(params: Params, images: Path, out: Path) -> None:
    """Say what a network sees in each picture as a whole: one vector.

    It is the average of the network's last map, or what a named layer puts out (a map is averaged).
    A picture that cannot be read gets no row; the table's metadata count them.
    """
    settings = params.images
    if settings.backbone == "none":
        store.write(pl.DataFrame(schema=dict(VECTORS.columns)), out, VECTORS, {"backbone": "none"})
        return
    target = Target(out, VECTORS, "vector", settings.width, {})
    extract(Whole(settings, params.seed, params.device), images, IMAGES, ["item", "image"], {"said": target})


if __name__ == "__main__":
    run(main)
