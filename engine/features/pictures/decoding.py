"""Pictures decoded by threads ahead of the network, and handed to it in batches of one shape."""

import logging
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor

from engine.features.pictures import pictures

log = logging.getLogger(__name__)
Decoding = list[tuple[int, "Future[np.ndarray]"]]


@dataclass
class Decoder:
    """Pictures to RGB: `side` x `side`, or, with a `longest`, as they are with a shorter side of `side` within it."""

    side: int
    longest: int = 0
    unread: int = 0
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(os.cpu_count()))

    def submit(self, encoded: Iterable[tuple[int, bytes]]) -> Decoding:
        """Begin to decode pictures, each an item's code and the bytes of its file."""
        ask = (
            partial(_scaled, side=self.side, longest=self.longest) if self.longest else partial(_square, side=self.side)
        )
        return [(item, self.pool.submit(ask, data)) for item, data in encoded]

    def batches(self, decoding: Decoding, size: int) -> Iterator[tuple[list[int], Tensor]]:
        """Item codes and bytes of RGB [B, height, width, 3], at most `size` of one shape; bad ones are counted.

        Pictures of one shape go together, so that none is padded for another's sake.
        """
        shapes: dict[tuple[int, ...], list[tuple[int, np.ndarray]]] = {}
        decoding.reverse()  # what is done with is let go
        while decoding:
            item, future = decoding.pop()
            try:
                picture_HWC = future.result()
            except pictures.BadPicture as error:
                self.unread += 1
                log.warning("item %d: its picture cannot be read: %s", item, error)
                continue
            alike = shapes.setdefault(picture_HWC.shape, [])
            alike.append((item, picture_HWC))
            if len(alike) == size:
                yield _batch(shapes.pop(picture_HWC.shape))
        for alike in shapes.values():
            yield _batch(alike)


def _batch(alike: list[tuple[int, np.ndarray]]) -> tuple[list[int], Tensor]:
    return [item for item, _ in alike], torch.from_numpy(np.stack([picture_HWC for _, picture_HWC in alike]))


def _square(data: bytes, side: int) -> np.ndarray:
    return pictures.resized(data, side, lambda width, height: (side, side))


def _scaled(data: bytes, side: int, longest: int) -> np.ndarray:
    def fit(width: int, height: int) -> tuple[int, int]:
        scale = min(side / min(width, height), longest / max(width, height))
        return max(round(width * scale), 1), max(round(height * scale), 1)

    return pictures.resized(data, side, fit)
