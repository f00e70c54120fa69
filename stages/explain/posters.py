"""Pictures made small enough to lie inside a page."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from engine.features.pictures.pictures import BadPicture, rgb
from engine.tables import store
from engine.tables.schemas import IMAGES

QUALITY = 60


@dataclass(frozen=True)
class Poster:
    """A picture as a data URI, and its size in pixels; without one, why not."""

    uri: str = ""
    width: int = 2
    height: int = 3
    missing: str = ""


def posters(images: Path, items: set[int], width: int) -> dict[int, Poster]:
    """The pictures of some items, at most `width` wide and twice as high; an item without one is not in it."""
    found: dict[int, Poster] = {}
    for frame in store.read_shards(images, IMAGES, rows=64):
        for item, data in frame.filter(pl.col("item").is_in(list(items))).select("item", "image").iter_rows():
            found[item] = poster(data, width)
    return found


def poster(data: bytes, width: int) -> Poster:
    """One picture, or why it is none."""
    try:
        drawn, size = small_picture(data, width)
    except BadPicture as error:
        return Poster(missing=f"picture not readable: {error}")
    return Poster("data:image/webp;base64," + base64.b64encode(drawn).decode(), *size)


def small_picture(data: bytes, width: int) -> tuple[bytes, tuple[int, int]]:
    """A picture drawn anew as WebP, half as large as JPEG, and its size: nothing of the file's own bytes is in it.

    Raises:
        BadPicture: it cannot be read.
    """
    image = rgb(data, least=width)
    image.thumbnail((width, 2 * width))
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=QUALITY, method=6)
    return buffer.getvalue(), image.size
