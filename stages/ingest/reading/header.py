"""The line that names a delimited file's columns: read, compared with what is asked for, missed where it should be."""

import csv
import re
from codecs import BOM_UTF8
from collections import Counter
from pathlib import Path
from typing import Any

from stages.ingest.reading import plain_text, times
from stages.ingest.reading.columns import Column

_SHOWN = 12
_BETWEEN = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas", " ": "blanks"}
_DATA = re.compile(r"-?\d+(\.\d+)?|\d{4}-\d{2}-\d{2}.*")  # a number or a day: no name of a column
_NAMES = re.compile(r"(?i)(the_?)?(user|item|product|movie|film|artist|track|book|session|u|i)[ _-]?(id|name)?s?")

csv.field_size_limit(2**31 - 1)  # Python's own is 131,072 letters; polars has none


def dialect(separator: str, quotes: bool) -> dict[str, Any]:
    """How Python's csv reads a file whose cells stand in quotes where they must, or where quotes are letters."""
    quoting: dict[str, Any] = {} if quotes else {"quoting": csv.QUOTE_NONE, "quotechar": None}
    return {"delimiter": separator, "strict": True, **quoting}


def first_row(path: Path, separator: str, quotes: bool) -> list[str]:
    """The cells of the first line; none of an empty file.

    Raises:
        ValueError: UTF-16, no text at all, an open quote.
    """
    plain_text.refuse_other(path)
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        try:
            return next(csv.reader(file, **dialect(separator, quotes)), [])
        except csv.Error as error:
            raise ValueError(f"{path} line 1: {error}") from None


def names(path: Path, separator: str, quotes: bool) -> list[str]:
    """The names of the columns, as the first line has them."""
    found = first_row(path, separator, quotes)
    if not any(found):
        with path.open("rb") as file:
            empty = not any(line.removeprefix(BOM_UTF8).strip() for line in file)
        said = "empty; its first line" if empty else "its first line is empty; it"
        raise ValueError(f"{path}: {said} should name the columns")
    return found


def require(path: Path, found: list[str], columns: dict[str, Column]) -> None:
    """Refuse a file that lacks one of the columns, or has one twice."""
    there = set(found)
    lacking = [c.source for c in columns.values() if c.source not in there]
    if lacking:
        hint = ""
        if any(map(_DATA.fullmatch, found)):
            hint = "; its first line seems to hold data: put a line before it that names the columns"
        elif between := next((told for mark, told in _BETWEEN.items() if _parts(found, mark, lacking)), ""):
            hint = f"; {between} stand between its columns: write commas and name it .csv, or tabs and .tsv"
        raise ValueError(f"{path}: no columns {lacking}; it has {shown(found)}{hint}")
    twice = sorted(name for name, count in Counter(found).items() if count > 1)
    if twice:
        raise ValueError(f"{path}: the columns {shown(twice)} stand there twice; name each column once")


def _parts(found: list[str], mark: str, lacking: list[str]) -> bool:
    """Whether the columns that are lacking stand in the only cell of a first line, with `mark` between them."""
    return len(found) == 1 and set(lacking) <= {name.strip(" '\"") for name in found[0].split(mark)}


def refuse(path: Path, cells: list[str], header: list[str], columns: dict[str, Column]) -> None:
    """Refuse a first line that names columns where the file should have none such.

    Raises:
        ValueError: it holds words where numbers or times should stand.
    """
    kinds = {c.source: c.kind for c in columns.values()}
    asked = [
        cell.strip()
        for name, cell in zip(header, cells, strict=False)
        if kinds.get(name) in ("number", "rating", *times.FORMS)
    ]
    if len(asked) > 1 and all(re.fullmatch(r"[^\W\d][\w ]*", cell) for cell in asked):
        raise ValueError(
            f"{path} line 1: {shown(cells)} names columns, and this file should begin with data; remove it"
        )


def is_header(cells: list[str]) -> bool:
    """Whether all of a line's cells are what columns of ids are called."""
    return all(_NAMES.fullmatch(cell) for cell in cells)


def shown(found: list[str]) -> str:
    """The first of many names, for a message."""
    more = f" and {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""
    return f"{[name[:40] for name in found[:_SHOWN]]}{more}"
