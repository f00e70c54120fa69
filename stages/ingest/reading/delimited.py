"""Delimited text (CSV, TSV and the like): at full speed, and row by row with line numbers where a row is bad."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from stages.ingest.reading import header as headers
from stages.ingest.reading import times
from stages.ingest.reading.columns import Column, Tally, faults, judged, value

Row = tuple[int, int, list[str] | str]

_CHUNK = 100_000
_BLOCK = 1 << 24
_FAST: dict[str, Any] = {"number": pl.Int32, "rating": pl.Float32, "seconds": pl.Int64, "milliseconds": pl.Int64}
_LETTERS = "quotes: none reads quotes as letters"


def read(
    path: Path,
    columns: dict[str, Column],
    tally: Tally,
    separator: str = ",",
    header: list[str] | None = None,
    quotes: bool = True,
) -> pl.DataFrame:
    """The good rows under our names; bad ones go to `tally`. `header` names the columns of a file without such a line.

    Args:
        quotes: a cell may stand in double quotes, and then hold separators and line ends; else quotes are letters.

    Raises:
        ValueError: the whole file will not do (empty, another encoding, columns missing or twice, an open quote).
    """
    names = header or headers.names(path, separator, quotes)
    headers.require(path, names, columns)
    if header:
        headers.refuse(path, headers.first_row(path, separator, quotes), header, columns)
    fast = _fast(path, columns, (separator, quotes), names, header is None)
    if fast is not None:
        tally.rows += fast.height
        return fast
    rows = _rows(path, (separator, quotes), header is None, _width(names, columns))
    parts = [judged(cells, lines, columns, tally) for cells, lines in _cells(rows, names, columns, tally)]
    none = pl.DataFrame(schema={c.source: pl.String for c in columns.values()})
    return pl.concat([*parts, judged(none, pl.Series([], dtype=pl.Int64), columns, tally)])


def _width(names: list[str], columns: dict[str, Column]) -> int:
    """Cells of a row by which a line inside a quoted cell is known for a row; 0 in files of texts: it is not asked."""
    timed = any(column.kind in times.FORMS for column in columns.values())
    return len(names) if timed and len(names) > 2 else 0


def _fast(
    path: Path, columns: dict[str, Column], form: tuple[str, bool], names: list[str], headed: bool
) -> pl.DataFrame | None:
    """All rows, or None where any is bad or runs over several lines: then they are looked at one by one."""
    types = {c.source: _FAST.get(c.kind, pl.String) for c in columns.values()}
    schema: dict[str, Any] = {name: types.get(name, pl.String) for name in names}
    separator, quotes = form
    quote = '"' if quotes else None
    lazy = pl.scan_csv(path, schema=schema, separator=separator, has_header=headed, quote_char=quote, glob=False)
    kept = [value(c, pl.col(c.source), schema[c.source]()).alias(n) for n, c in columns.items()]
    cut = pl.col(names[-1]).is_null().alias("cut")  # how a line that breaks off shows
    try:
        frame = lazy.select(*kept, cut).collect(engine="streaming")
    except pl.exceptions.PolarsError:
        return None
    bad = [mask for name, column in columns.items() for mask, _ in faults(column, pl.col(name))]
    if frame.select(pl.any_horizontal("cut", *bad).any()).item() or frame.height + headed != _lines(path):
        return None
    return frame.drop("cut")


def _lines(path: Path) -> int:
    ends, last = 0, b""
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            ends, last = ends + block.count(b"\n"), block[-1:]
    return ends + (last not in (b"", b"\n"))


def _cells(
    rows: Iterator[Row], names: list[str], columns: dict[str, Column], tally: Tally
) -> Iterator[tuple[pl.DataFrame, pl.Series]]:
    """The columns that are read as text, with the lines on which rows begin; a row of another length is bad."""
    place = {c.source: names.index(c.source) for c in columns.values()}
    schema = dict.fromkeys(place, pl.String)
    kept: list[list[str]] = []
    lines: list[int] = []
    for line, last, row in rows:
        if isinstance(row, str):
            tally.add(line, row, last - line + 1)
        elif len(row) != len(names):
            tally.add(line, f"{len(row)} cells, expected {len(names)}", last - line + 1)
        else:
            kept.append([row[at] for at in place.values()])
            lines.append(line)
        if len(kept) == _CHUNK:
            yield pl.DataFrame(kept, schema, orient="row"), pl.Series(lines)
            kept, lines = [], []
    if kept:
        yield pl.DataFrame(kept, schema, orient="row"), pl.Series(lines)


def _rows(path: Path, form: tuple[str, bool], headed: bool, width: int) -> Iterator[Row]:
    """First line, last line, and the row or what is wrong with it; empty lines are no rows."""
    separator, quotes = form
    taken: list[str] = []  # the lines of the row that is read
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader((taken.append(line) or line for line in file), **headers.dialect(separator, quotes))  # type: ignore[func-returns-value]
        if headed:
            next(reader)
        while True:
            line = reader.line_num + 1
            taken.clear()
            try:
                row = next(reader, None)
            except csv.Error as error:
                if "end of data" in str(error):
                    raise ValueError(f"{path} line {line}: a quote that opens here is not closed; {_LETTERS}") from None
                yield line, reader.line_num, f"{error}; {_LETTERS}" if quotes else str(error)
                continue
            if row is None:
                return
            swallowed = width and len(taken) > 1 and all(text.count(separator) == width - 1 for text in taken)
            if swallowed:
                yield line, reader.line_num, f"a quoted cell takes in {len(taken)} lines like rows; {_LETTERS}"
            elif row:
                yield line, reader.line_num, row if _utf8(row) else "not UTF-8 text; save the file as UTF-8"


def _utf8(row: list[str]) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for cell in row if not cell.isascii() for letter in cell)


def once(found: pl.DataFrame, name: str, path: Path) -> pl.DataFrame:
    """`found`, or an error where a key stands in it twice."""
    twice = found.filter(pl.col(name).is_duplicated())[name].unique().sort()
    if len(twice):
        raise ValueError(f"{path}: {len(twice)} ids have several rows, e.g. {twice[0]!r}; keep one row for each")
    return found
