"""Pictures to vectors."""

from pathlib import Path
from typing import Literal

import polars as pl
from torch import Tensor

from engine import backbone, extraction, projection, store
from engine.device import place
from engine.params import Record, run
from engine.tables import VECTORS


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
    network = backbone.load(settings, params.seed)
    network.meta |= {"size": settings.size}

    def whole(said: Tensor) -> Tensor:
        if said.ndim not in (2, 4):
            raise ValueError(
                f"layer {network.meta['layer']} puts out no map or vector: {tuple(said.shape)}; take another"
            )
        return said if said.ndim == 2 else said.mean((2, 3))

    with projection.reduced(out, VECTORS, "vector", settings.width, network.meta) as put:
        device = place(params.device)
        for item_G, vector_GD in extraction.seen(images, settings, network, device, whole):
            put(pl.DataFrame({"item": item_G, "vector": vector_GD}))


if __name__ == "__main__":
    run(main)
