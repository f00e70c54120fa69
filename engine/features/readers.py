"""Readers of pictures and texts: what a stage asks of the extraction, and how it is made on any machine."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from engine.features.device import arithmetic, passes, place
from engine.features.parts import Part, Plan, Reader
from engine.features.pictures import backbone, detector
from engine.features.pictures.backbone import Backbone, Encoder
from engine.features.pictures.decoding import Decoder, Waiting
from engine.features.pictures.detector import Detector, Limits
from engine.features.projection import half
from engine.tables import arrays
from engine.tables.schemas import REGIONS, VECTORS

_BYTES = 2**26  # of decoded pictures that wait in a part
Vectors = list[np.ndarray]
Ask = Callable[[Tensor], list[Vectors]]


class Pictures(Reader):
    """Pictures through a network; `ask` gives what is said of each, `frame` makes rows of it, in order of items."""

    def __init__(
        self, network: nn.Module, encoder: Encoder, device: torch.device, ask: Ask, frame: Callable[..., pl.DataFrame]
    ):
        self.device, self.dtype = device, arithmetic(encoder.precision, device)
        self.network = network.to(device)
        self.ask, self.frame = ask, frame
        self.decoder = Decoder(encoder.size)
        self.size = encoder.batch_size or (128 if device.type == "cuda" else 4 if self.dtype is torch.float32 else 8)
        self.meta: dict[str, Any] = {"size": encoder.size, "precision": str(self.dtype).removeprefix("torch.")}
        self.meta |= network.meta  # type: ignore[arg-type]

    def prepare(self, frame: pl.DataFrame) -> Waiting:
        return self.decoder.submit(frame)

    def read(self, prepared: Waiting) -> Part:
        there, self.decoder.unread = len(prepared), 0
        said: dict[int, Vectors] = {}
        for items, picture_BHWC in self.decoder.batches(prepared, self.size):
            with passes(self.device, self.dtype):
                said |= zip(items, self.ask(picture_BHWC.to(self.device)), strict=True)
        counts = {"pictures": there, "unread": self.decoder.unread}
        kept = {item: said[item] for item in sorted(said) if len(said[item][0])}
        if isinstance(self.network, Detector):
            counts["empty"] = len(said) - len(kept)
        return Part({"said": self.frame(kept)}, counts, self.meta)


def _bits(value: Tensor) -> np.ndarray:
    return half(value.float(), "pictures")


@dataclass(frozen=True)
class _Seeing(Plan):
    encoder: Encoder
    seed: int
    device: str

    @property
    def engine(self) -> Encoder:
        return self.encoder

    @property
    def rows(self) -> int:
        return min(max(_BYTES // (3 * self.encoder.size**2), 32), 512)

    @property
    def weights(self) -> Path:
        return Path(self.encoder.weights)

    @property
    def accelerated(self) -> bool:
        return place(self.device).type == "cuda"


@dataclass(frozen=True)
class Whole(_Seeing):
    """A vector a picture: a named layer's, or the average of a map."""

    def load(self) -> Pictures:
        network = backbone.load(self.encoder, self.seed)

        def ask(picture_BHWC: Tensor) -> list[Vectors]:
            said = network(picture_BHWC)
            if said.ndim not in (2, 4):
                raise ValueError(
                    f"layer {network.meta['layer']} puts out no map or vector: {tuple(said.shape)}; take another"
                )
            return [[vector_D[None]] for vector_D in _bits(said if said.ndim == 2 else said.mean((2, 3)))]

        return Pictures(network, self.encoder, place(self.device), ask, _vectors)


@dataclass(frozen=True)
class Cells(_Seeing):
    """Equal cells of a network's map, each by average pooling."""

    cells: tuple[int, int]

    def load(self) -> Pictures:
        network: Backbone = backbone.load(self.encoder, self.seed)
        rows, columns = self.cells
        network.meta |= {"detector": "grid", "rows": rows, "columns": columns}
        box_M4 = grid(rows, columns)

        def ask(picture_BHWC: Tensor) -> list[Vectors]:
            map_BDHW = network(picture_BHWC)
            if map_BDHW.ndim != 4:
                raise ValueError(
                    f"layer {network.meta['layer']} puts out no map: {tuple(map_BDHW.shape)}; take another"
                )
            region_BMD = _bits(adaptive_avg_pool2d(map_BDHW, self.cells).flatten(2).transpose(1, 2))
            return [[box_M4, np.ones(len(box_M4), np.float32), region_MD] for region_MD in region_BMD]

        return Pictures(network, self.encoder, place(self.device), ask, _regions)


@dataclass(frozen=True)
class Objects(_Seeing):
    """What a detector finds; pictures keep their shape, none is padded for another's sake."""

    limits: Limits

    @property
    def rows(self) -> int:
        return min(max(_BYTES // (3 * self.encoder.size * self.limits.longest), 32), 512)

    def load(self) -> Pictures:
        if self.limits.longest < self.encoder.size:
            raise ValueError(
                f"regions.faster_rcnn.longest is {self.limits.longest}, less than size {self.encoder.size}"
            )
        network = detector.load(self.encoder, self.limits, self.seed)
        network.meta |= {"detector": "faster_rcnn", **self.limits.model_dump()}

        def ask(picture_BHWC: Tensor) -> list[Vectors]:
            found = network(picture_BHWC)
            return [
                [box_M4.cpu().numpy(), score_M.cpu().numpy(), _bits(region_MD)] for box_M4, score_M, region_MD in found
            ]

        reader = Pictures(network, self.encoder, place(self.device), ask, _regions)
        reader.decoder.longest = self.limits.longest
        reader.size = self.encoder.batch_size or (8 if reader.device.type == "cuda" else 1)
        return reader


def grid(rows: int, columns: int) -> np.ndarray:
    """Boxes [rows * columns, 4] of x0, y0, x1, y1 in 0..1, row by row from the top."""
    y_M, x_M = (side.ravel() for side in np.mgrid[0:rows, 0:columns])
    return np.stack([x_M / columns, y_M / rows, (x_M + 1) / columns, (y_M + 1) / rows], 1).astype(np.float32)


def _vectors(said: dict[int, Vectors]) -> pl.DataFrame:
    if not said:
        return pl.DataFrame(schema=dict(VECTORS.columns))
    item_U = np.array(list(said), np.uint32)
    return pl.DataFrame({"item": item_U, "vector": np.concatenate([value[0] for value in said.values()])})


def _regions(said: dict[int, Vectors]) -> pl.DataFrame:
    if not said:
        return pl.DataFrame(schema=dict(REGIONS.columns))
    length_U = np.array([len(value[0]) for value in said.values()])
    box_X4, score_X, region_XD = (np.concatenate([value[i] for value in said.values()]) for i in range(3))
    return pl.DataFrame(
        {
            "item": np.array(list(said), np.uint32),
            "box": arrays.lists(box_X4.astype(np.float32), length_U),
            "score": arrays.lists(score_X.astype(np.float32), length_U),
            "region": arrays.lists(region_XD, length_U),
        }
    )
