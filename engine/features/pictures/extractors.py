"""Tables of pictures to tables of vectors: whole pictures, cells of a grid, detected regions."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from engine.features.device import own_device, resolve_device
from engine.features.extractor import Extracted, Extractor, ExtractorFactory
from engine.features.pictures.decoding import Decoding
from engine.features.pictures.detector import Detector
from engine.features.pictures.embedding import (
    PictureEmbedding,
    Vectors,
    detected_regions,
    grid_regions,
    whole_pictures,
)
from engine.features.settings import Detection, PictureEncoder
from engine.tables import arrays
from engine.tables.schemas import REGIONS, VECTORS

_BYTES = 2**26  # of decoded pictures that wait together
Frame = Callable[[dict[int, Vectors]], pl.DataFrame]


class PictureExtractor(Extractor):
    """Rows of item and image; `frame` makes a table of what was found."""

    def __init__(self, embedding: PictureEmbedding, frame: Frame):
        self.embedding, self.frame, self.meta = embedding, frame, embedding.meta

    def prepare(self, frame: pl.DataFrame) -> Decoding:
        return self.embedding.decode(frame.select("item", "image").iter_rows())

    def extract(self, prepared: Decoding) -> Extracted:
        pictures = len(prepared)
        found, unread = self.embedding.embed(prepared)
        counts = {"pictures": pictures, "unread": unread}
        kept = {item: vectors for item, vectors in found.items() if len(vectors[0])}
        if isinstance(self.embedding.network, Detector):
            counts["empty"] = len(found) - len(kept)
        return Extracted({"vectors": self.frame(kept)}, counts, self.meta)


@dataclass(frozen=True)
class _Pictures(ExtractorFactory):
    encoder: PictureEncoder
    seed: int
    device: str

    @property
    def execution(self) -> PictureEncoder:
        return self.encoder

    @property
    def rows(self) -> int:
        return min(max(_BYTES // (3 * self.encoder.size**2), 32), 512)

    @property
    def weights(self) -> Path:
        return Path(self.encoder.weights)

    @property
    def accelerated(self) -> bool:
        return resolve_device(self.device).type == "cuda"


@dataclass(frozen=True)
class WholePictures(_Pictures):
    """A vector a picture."""

    def load(self) -> PictureExtractor:
        return PictureExtractor(whole_pictures(self.encoder, self.seed, own_device(self.device)), _vector_frame)


@dataclass(frozen=True)
class GridRegions(_Pictures):
    """Equal cells (rows, columns) of each picture."""

    cells: tuple[int, int]

    def load(self) -> PictureExtractor:
        embedding = grid_regions(self.encoder, self.seed, own_device(self.device), self.cells)
        return PictureExtractor(embedding, _region_frame)


@dataclass(frozen=True)
class DetectedRegions(_Pictures):
    """What a detector finds in each picture."""

    detection: Detection

    @property
    def rows(self) -> int:
        return min(max(_BYTES // (3 * self.encoder.size * self.detection.longest), 32), 512)

    def load(self) -> PictureExtractor:
        embedding = detected_regions(self.encoder, self.seed, own_device(self.device), self.detection)
        return PictureExtractor(embedding, _region_frame)


def _vector_frame(found: dict[int, Vectors]) -> pl.DataFrame:
    if not found:
        return pl.DataFrame(schema=dict(VECTORS.columns))
    item_U = np.array(list(found), np.uint32)
    return pl.DataFrame({"item": item_U, "vector": np.concatenate([value[0] for value in found.values()])})


def _region_frame(found: dict[int, Vectors]) -> pl.DataFrame:
    if not found:
        return pl.DataFrame(schema=dict(REGIONS.columns))
    length_U = np.array([len(value[0]) for value in found.values()])
    box_X4, score_X, region_XD = (np.concatenate([value[i] for value in found.values()]) for i in range(3))
    return pl.DataFrame(
        {
            "item": np.array(list(found), np.uint32),
            "box": arrays.lists(box_X4.astype(np.float32), length_U),
            "score": arrays.lists(score_X.astype(np.float32), length_U),
            "region": arrays.lists(region_XD, length_U),
        }
    )
