"""Pictures that came as files beside the items: looked at once, and read again shard by shard when they are written."""

import logging
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from rich.progress import track

from engine.features.pictures.pictures import BYTES, inspect
from engine.tables.schemas import IMAGES
from stages.ingest.reading.shares import refuse_all, warn_many

log = logging.getLogger(__name__)

_SHARD = 64_000_000  # bytes of pictures a frame
_KNOWN = ("format", "width", "height", "sha256")


@dataclass(frozen=True)
class Folder:
    """Where pictures lie, seen from the items file; `outside`: whether a path may lead out of it."""

    path: Path
    outside: bool = False

    def read(self, name: str) -> bytes:
        """A plain file's bytes.

        Raises:
            ValueError: it lies outside, is no plain file (a device or a pipe never ends), or is too large.
            OSError: it cannot be read.
        """
        return self._place(name).read_bytes()

    def there(self, names: Iterable[str]) -> dict[str, Path]:
        """Where those of `names` lie that may be read."""
        found: dict[str, Path] = {}
        for name in names:
            with suppress(OSError, ValueError):
                place = self._place(name)
                found |= {name: place} if os.access(place, os.R_OK) else {}
        return found

    def _place(self, name: str) -> Path:
        if name.lower().startswith(("http:", "https:", "//")):
            raise ValueError("an address and no path; picture_kind: address hands it to the crawl")
        try:
            path = (self.path / name).resolve()
        except RuntimeError:
            raise ValueError("a link that leads back to itself") from None
        if not self.outside and not path.is_relative_to(self.path.resolve()):
            raise ValueError("outside the items file's folder; picture_outside: true allows it")
        if "\\" in name and not path.exists():
            raise ValueError("no such file; its path is written with \\, write /")
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise ValueError("no plain file")
        if about.st_size > BYTES:
            raise ValueError(f"{about.st_size:,} bytes; at most {BYTES:,} are read")
        return path


def look(items: pl.DataFrame, folder: Folder) -> tuple[pl.Series, pl.DataFrame]:
    """Of items `item, picture` (paths) each one's status, and the pictures that are whole: item, path, what is known.

    Raises:
        ValueError: pictures are named, and none can be read; names the first and why.
    """
    status: list[str] = []
    known: list[tuple[Any, ...]] = []
    failed: list[str] = []
    named = items["picture"].count()
    for item, path in track(items.select("item", "picture").iter_rows(), "pictures", items.height, disable=not named):
        if path is None:
            status.append("missing")
            continue
        try:
            found = inspect(folder.read(path))
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            status.append(f"failed: {why}")
            failed.append(f"{path!r}: {why}")
            continue
        status.append("ok")
        known.append((item, path, found.format, found.width, found.height, found.sha256))
    said = f"of {named} pictures that the items name {len(failed)} cannot be read; the first is {failed[:1]}"
    refuse_all(len(failed), named, f"{said}; paths are seen from {folder.path}; set about.picture to '' to go without")
    warn_many(len(failed), named, said)
    schema: dict[str, Any] = {"item": pl.String, "path": pl.String, **{n: IMAGES.columns[n] for n in _KNOWN}}
    return pl.Series(status, dtype=pl.String), pl.DataFrame(known, schema=schema, orient="row")


def images(pictures: pl.DataFrame, folder: Folder) -> Iterator[pl.DataFrame]:
    """The pictures as IMAGES, read from their files, some 64 MB a frame."""
    data: list[bytes] = []
    start = 0
    for row, path in enumerate(pictures["path"]):
        data.append(folder.read(path))
        if sum(map(len, data)) >= _SHARD or row == pictures.height - 1:
            part = pictures.slice(start, len(data)).with_columns(image=pl.Series(data, dtype=pl.Binary))
            yield part.select(IMAGES.columns.keys())
            data, start = [], row + 1
