"""Pictures through a network: decoded ahead of it by threads, in bounded memory, in the precision asked for."""

import logging
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.progress import Progress
from torch import Tensor

from engine import pictures, store
from engine.backbone import Backbone, Encoder
from engine.device import arithmetic, passes
from engine.projection import half
from engine.tables import IMAGES

log = logging.getLogger(__name__)
_GROUP = 512  # pictures in a row group


def seen(
    images: Path, encoder: Encoder, network: Backbone, device: torch.device, head: Callable[[Tensor], Tensor]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Item codes [G] and what `head` makes of the layer's output [G, …] in 16 bits, hundreds at a time.

    `network.meta` gets how many pictures there were, how many could not be read, and the precision.
    """
    network = network.to(device)
    squares = Squares(images, encoder.size)
    pictures_there = store.height(images)
    size = encoder.batch_size or (128 if device.type == "cuda" else 8)
    items: list[np.ndarray] = []
    values: list[np.ndarray] = []
    dtype = arithmetic(encoder.precision, device)
    with Progress(transient=True, disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task(f"pictures through {encoder.backbone}", total=pictures_there)
        for item_B, picture_BHWC in squares.batches(size):
            items.append(item_B)
            with passes(device, dtype):
                said = head(network(picture_BHWC.to(device))).float().cpu().numpy()
            values.append(half(said, f"item {item_B[0]} on"))
            bar.update(task, completed=sum(map(len, items)) + squares.unread)
            if len(items) * size >= _GROUP:
                yield np.concatenate(items), np.concatenate(values)
                items, values = [], []
    if items:
        yield np.concatenate(items), np.concatenate(values)
    network.meta |= {
        "pictures": pictures_there,
        "unread": squares.unread,
        "precision": str(dtype).removeprefix("torch."),
    }


@dataclass
class Squares:
    """The pictures of a sharded table brought to `side` x `side`, decoded ahead by threads; bad ones are counted."""

    images: Path
    side: int
    unread: int = 0

    def batches(self, size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Item codes [B] and bytes of RGB [B, side, side, 3], at most `size` at a time, in order."""
        items: list[int] = []
        squares: list[np.ndarray] = []
        for item, square in self._decoded(4 * size):
            items.append(item)
            squares.append(square)
            if len(items) == size:
                yield np.array(items, np.uint32), torch.from_numpy(np.stack(squares))
                items, squares = [], []
        if items:
            yield np.array(items, np.uint32), torch.from_numpy(np.stack(squares))

    def _decoded(self, ahead: int) -> Iterator[tuple[int, np.ndarray]]:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            waiting: deque[tuple[int, Future[np.ndarray]]] = deque()
            for frame in store.read_shards(self.images, IMAGES, rows=64, columns=["item", "image"]):
                for item, data in frame.iter_rows():
                    waiting.append((item, pool.submit(_square, data, self.side)))
                    if len(waiting) > ahead:
                        yield from self._read(waiting)
            while waiting:
                yield from self._read(waiting)

    def _read(self, waiting: "deque[tuple[int, Future[np.ndarray]]]") -> Iterator[tuple[int, np.ndarray]]:
        item, future = waiting.popleft()
        try:
            yield item, future.result()
        except pictures.BadPicture as error:
            self.unread += 1
            log.warning("item %d: its picture cannot be read: %s", item, error)


def _square(data: bytes, side: int) -> np.ndarray:
    image = pictures.rgb(data, least=side)
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0))
