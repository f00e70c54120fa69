"""Text files of any length, packed or plain, as blocks of whole lines, within stated sizes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from isal import igzip, isal_zlib
from pydantic import Field

from engine.tables.settings import Record
from stages.ingest.reading import plain_text
from stages.ingest.reading.progress import Wrap

_READ = 1 << 20
_BLOCK = 1 << 21  # bytes of lines handed on at a time
_MAGIC = b"\x1f\x8b"


class Limits(Record):
    """What a file may hold."""

    gigabytes: float = Field(gt=0, description="size of a file once unpacked, in gigabytes; more is refused")
    megabytes: float = Field(gt=0, description="length of a line, in megabytes; more is refused")


@dataclass(frozen=True)
class Block:
    """Whole lines, and the number that the first of them has in its file, from 1."""

    first: int
    text: bytes


def blocks(path: Path, limits: Limits, wrap: Wrap = lambda file: file, size: int = _BLOCK) -> Iterator[Block]:
    """The lines of a plain or gzip file (known by its first bytes, not by its name), about `size` bytes at a time.

    Raises:
        FileNotFoundError: there is none.
        ValueError: cut off or damaged, UTF-16 or no text, larger than `limits`; with the line where it stopped.
    """
    first, kept, left = 1, b"", int(limits.gigabytes * 1e9)
    with open_plain_or_gzip(path, wrap) as file:
        for place, data in enumerate(_pieces(path, file, size)):
            if place == 0:
                plain_text.refuse_other(path, data)
                data = data.removeprefix(b"\xef\xbb\xbf")  # a mark that the text is UTF-8
            left -= len(data)
            if left < 0:
                raise ValueError(
                    f"{path} near line {first}: it unpacks to more than {limits.gigabytes} gigabytes; "
                    "raise `gigabytes` if that is right"
                )
            end = data.rfind(b"\n") + 1
            if end:
                text, kept = kept + data[:end], data[end:]
                yield Block(first, text)
                first += text.count(b"\n")
            else:
                kept += data
            if len(kept) > limits.megabytes * 1e6:
                raise ValueError(
                    f"{path} line {first}: longer than {limits.megabytes} megabytes; "
                    "raise `megabytes` if such lines are right"
                )
    if kept:
        yield Block(first, kept)


@contextmanager
def open_plain_or_gzip(path: Path, wrap: Wrap = lambda file: file) -> Iterator[BinaryIO]:
    """A plain or gzip file, unpacked as it is read; `wrap` gets the file as it lies on the disk."""
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    if not path.is_file():
        raise ValueError(f"{path}: no plain file")
    with path.open("rb") as file:
        start = file.read(2)
    with path.open("rb") as raw:
        plain = wrap(raw)
        yield plain if start != _MAGIC else igzip.IGzipFile(fileobj=plain)  # type: ignore[no-untyped-call, misc]


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
