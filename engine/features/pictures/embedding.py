"""Encoded pictures to vectors: decoded ahead by threads, through a network batch by batch. No tables."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from engine.features.device import inference, resolve_dtype, to_half
from engine.features.pictures import backbone, detector
from engine.features.pictures.decoding import Decoder, Decoding
from engine.features.settings import Detection, PictureEncoder

Vectors = list[np.ndarray]  # of one picture: a vector [1, D], or boxes [M, 4], scores [M] and vectors [M, D]
Describe = Callable[[Tensor], list[Vectors]]


class PictureEmbedding:
    """A network on a device; `describe` takes pictures of one shape [B, H, W, 3] as bytes to the vectors of each."""

    def __init__(
        self, network: nn.Module, encoder: PictureEncoder, device: torch.device, describe: Describe, longest: int = 0
    ):
        self.device, self.dtype = device, resolve_dtype(encoder.precision, device)
        self.network, self.describe = network.to(device), describe
        self.decoder = Decoder(encoder.size, longest)
        usual = (128 if device.type == "cuda" else 4 if self.dtype is torch.float32 else 8) if not longest else (
            8 if device.type == "cuda" else 1
        )  # fmt: skip
        self.batch_size = encoder.batch_size or usual
        self.meta: dict[str, Any] = {"size": encoder.size, "precision": str(self.dtype).removeprefix("torch.")}
        self.meta |= network.meta  # type: ignore[arg-type]

    def decode(self, pictures: Iterable[tuple[int, bytes]]) -> Decoding:
        """Begin to decode (item, encoded picture) in threads."""
        return self.decoder.submit(pictures)

    def embed(self, decoding: Decoding) -> tuple[dict[int, Vectors], int]:
        """The vectors of each item, in order of items, and how many pictures could not be read."""
        self.decoder.unread = 0
        found: dict[int, Vectors] = {}
        for items, picture_BHWC in self.decoder.batches(decoding, self.batch_size):
            with inference(self.device, self.dtype):
                found |= zip(items, self.describe(picture_BHWC.to(self.device)), strict=True)
        return {item: found[item] for item in sorted(found)}, self.decoder.unread


def whole_pictures(encoder: PictureEncoder, seed: int, device: torch.device) -> PictureEmbedding:
    """One vector a picture: a named layer's, or the average of a map."""
    network = backbone.load(encoder, seed)

    def describe(picture_BHWC: Tensor) -> list[Vectors]:
        output = network(picture_BHWC)
        if output.ndim not in (2, 4):
            raise ValueError(
                f"layer {network.meta['layer']} puts out no map or vector: {tuple(output.shape)}; take another"
            )
        return [[vector_D[None]] for vector_D in _half(output if output.ndim == 2 else output.mean((2, 3)))]

    return PictureEmbedding(network, encoder, device, describe)


def grid_regions(encoder: PictureEncoder, seed: int, device: torch.device, cells: tuple[int, int]) -> PictureEmbedding:
    """Equal cells (rows, columns) of a network's map, each by average pooling."""
    network = backbone.load(encoder, seed)
    rows, columns = cells
    network.meta |= {"detector": "grid", "rows": rows, "columns": columns}
    box_M4 = grid_boxes(rows, columns)

    def describe(picture_BHWC: Tensor) -> list[Vectors]:
        map_BDHW = network(picture_BHWC)
        if map_BDHW.ndim != 4:
            raise ValueError(f"layer {network.meta['layer']} puts out no map: {tuple(map_BDHW.shape)}; take another")
        if map_BDHW.shape[2] < rows or map_BDHW.shape[3] < columns:  # neighbours would be copies of one another
            raise ValueError(
                f"{rows} rows and {columns} columns are more than the map of layer {network.meta['layer']} has "
                f"({map_BDHW.shape[2]} x {map_BDHW.shape[3]} for pictures of size {encoder.size}): fewer, an earlier "
                "layer or a larger size would do"
            )
        region_BMD = _half(adaptive_avg_pool2d(map_BDHW, cells).flatten(2).transpose(1, 2))
        return [[box_M4, np.ones(len(box_M4), np.float32), region_MD] for region_MD in region_BMD]

    return PictureEmbedding(network, encoder, device, describe)


def detected_regions(
    encoder: PictureEncoder, seed: int, device: torch.device, detection: Detection
) -> PictureEmbedding:
    """What a detector finds; pictures keep their shape, none is padded for another's sake.

    Raises:
        ValueError: the longer side is to be shorter than the shorter one.
    """
    if detection.longest < encoder.size:
        raise ValueError(f"regions.faster_rcnn.longest is {detection.longest}, less than size {encoder.size}")
    network = detector.load(encoder, detection, seed)
    network.meta |= {"detector": "faster_rcnn", **detection.model_dump()}

    def describe(picture_BHWC: Tensor) -> list[Vectors]:
        return [
            [box_M4.cpu().numpy(), score_M.cpu().numpy(), _half(region_MD)]
            for box_M4, score_M, region_MD in network(picture_BHWC)
        ]

    return PictureEmbedding(network, encoder, device, describe, detection.longest)


def grid_boxes(rows: int, columns: int) -> np.ndarray:
    """Boxes [rows * columns, 4] of x0, y0, x1, y1 in 0..1, row by row from the top."""
    y_M, x_M = (side.ravel() for side in np.mgrid[0:rows, 0:columns])
    return np.stack([x_M / columns, y_M / rows, (x_M + 1) / columns, (y_M + 1) / rows], 1).astype(np.float32)


def _half(value: Tensor) -> np.ndarray:
    return to_half(value.float(), "pictures")
