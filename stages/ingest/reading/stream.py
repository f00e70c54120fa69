"""Text files of any length, packed or plain, as blocks of whole lines, within stated sizes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from isal import igzip, isal_zlib

from engine.tables.settings import Record

_READ = 1 << 20
_BLOCK = 1 << 21  # bytes of lines handed on at a time
_MAGIC = b"\x1f\x8b"
_NEWLINE = 10


class Limits(Record):
    """What a file may hold: `gigabytes` once unpacked (a packed bomb is stopped there), `megabytes` in one line."""

    gigabytes: float
    megabytes: float


@dataclass(frozen=True)
class Block:
    """Whole lines, the number that the first of them has in its file, from 1, and how many there are at most."""

    first: int
    text: bytes
    lines: int


def blocks(path: Path, limits: Limits, size: int = _BLOCK) -> Iterator[Block]:
    """The lines of a plain or gzip file (known by its first bytes, not by its name), about `size` bytes at a time.

    Raises:
        FileNotFoundError: there is none.
        ValueError: cut off or damaged, UTF-16, larger than `limits`; with the line where it stopped.
    """
    first, kept, left = 1, b"", int(limits.gigabytes * 1e9)
    with opened(path) as file:
        for place, data in enumerate(_pieces(path, file, size)):
            data = data.removeprefix(b"\xef\xbb\xbf") if place == 0 else data  # a mark that the text is UTF-8
            left -= len(data)
            if left < 0:
                raise ValueError(
                    f"{path} near line {first}: it unpacks to more than {limits.gigabytes} gigabytes; "
                    "raise `gigabytes` if that is right"
                )
            end = data.rfind(b"\n") + 1
            if end:
                text, kept = kept + data[:end], data[end:]
                ends = int(np.count_nonzero(np.frombuffer(text, np.uint8) == _NEWLINE))
                yield Block(first, text, ends)
                first += ends
            else:
                kept += data
            if len(kept) > limits.megabytes * 1e6:
                raise ValueError(
                    f"{path} line {first}: longer than {limits.megabytes} megabytes; "
                    "raise `megabytes` if such lines are right"
                )
    if kept:
        yield Block(first, kept, 1)


def opened(path: Path) -> BinaryIO:
    """A plain or gzip file, unpacked as it is read."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    with path.open("rb") as file:
        start = file.read(2)
    if start in (b"\xff\xfe", b"\xfe\xff"):
        raise ValueError(f"{path}: this is UTF-16; save it as UTF-8")
    if start != _MAGIC:
        return path.open("rb")
    return cast(BinaryIO, igzip.IGzipFile(path))  # type: ignore[no-untyped-call]


def _pieces(path: Path, file: BinaryIO, size: int) -> Iterator[bytes]:
    have, parts, come = 0, [], 0
    while True:
        try:
            part = file.read(min(_READ, size))
        except (EOFError, isal_zlib.error, igzip.BadGzipFile) as error:  # type: ignore[misc]
            where = f"after {come + have} good bytes"
            raise ValueError(f"{path}: cut off or damaged {where} ({error}); load it again") from None
        have += len(part)
        parts.append(part)
        if have >= size or not part:
            if have:
                yield b"".join(parts)
            come, have, parts = come + have, 0, []
        if not part:
            return
