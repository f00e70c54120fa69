"""BSON files, a record after the other, as a database dumps them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bson  # the module of pymongo; the package that is itself named bson is another one, and replaces this
from bson.errors import InvalidBSON
from bson.int64 import Int64

from stages.ingest.reading.columns import Tally
from stages.ingest.reading.progress import reading_bar
from stages.ingest.reading.record_fields import FieldTypes, valid_records

ID: FieldTypes = (str, int, Int64)
_BATCH = 10_000


def read_documents(
    path: Path, tally: Tally, types: dict[str, FieldTypes], required: tuple[str, ...]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number (from 1) and fields of the valid records, one after the other; the others go to the tally.

    Raises:
        FileNotFoundError: there is none.
        ValueError: cut off, or no BSON; with the record and the byte where it begins.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    batch: list[dict[str, Any]] = []
    number, begin = 0, 0
    with reading_bar([path]) as wrap, path.open("rb") as raw:
        file = wrap(raw)
        found = bson.decode_file_iter(file)
        while True:
            try:
                record = next(found, None)
            except (InvalidBSON, UnicodeDecodeError) as error:
                raise ValueError(
                    f"{path} record {number + 1} at byte {begin}: no whole BSON ({error}); load the file again"
                ) from None
            if record is not None:
                batch.append(record)
                number, begin = number + 1, file.tell()
            if batch and (record is None or len(batch) == _BATCH):
                first = number - len(batch) + 1
                good, numbers = valid_records(batch, list(range(first, number + 1)), tally, types, required)
                tally.rows += len(good)
                yield from zip(numbers, good, strict=True)
                batch = []
            if record is None:
                return
