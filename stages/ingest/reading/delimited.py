"""Delimited text (CSV, TSV and the like): at full speed, and row by row with line numbers where a row is bad."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from stages.ingest.reading.columns import Column, Tally, faults, judged, value

_CHUNK = 100_000
_FAST: dict[str, Any] = {"number": pl.Int32, "rating": pl.Float32, "seconds": pl.Int64, "milliseconds": pl.Int64}


def read(
    path: Path, columns: dict[str, Column], tally: Tally, separator: str = ",", header: list[str] | None = None
) -> pl.DataFrame:
    """The good rows under our names; bad ones go to `tally`. `header` names the columns of a file without such a line.

    Raises:
        ValueError: the whole file will not do (empty, another encoding, columns missing or twice, an open quote).
    """
    names = header or _header(path, separator)
    require(path, names, columns)
    fast = _fast(path, columns, separator, names, header is None)
    if fast is not None:
        tally.rows += fast.height
        return fast
    parts = [
        judged(cells, lines, columns, tally) for cells, lines in _cells(path, separator, names, header is None, tally)
    ]
    none = pl.DataFrame(schema={c.source: pl.String for c in columns.values()})
    return pl.concat([*parts, judged(none, pl.Series([], dtype=pl.Int64), columns, tally)])


def require(path: Path, names: list[str], columns: dict[str, Column]) -> None:
    """Refuse a file that lacks one of the columns, or has one twice."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{path}: the columns {twice} stand there twice; name each column once")
    lacking = [c.source for c in columns.values() if c.source not in names]
    if lacking:
        raise ValueError(f"{path}: no columns {lacking}; it has {names}")


def _header(path: Path, separator: str) -> list[str]:
    with path.open("rb") as file:
        start = file.read(4)
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ValueError(f"{path}: this is UTF-16; save it as UTF-8")
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        names = next(csv.reader(file, delimiter=separator), [])
    if not any(names):
        raise ValueError(f"{path}: empty; its first line should name the columns")
    return names


def _fast(
    path: Path, columns: dict[str, Column], separator: str, names: list[str], headed: bool
) -> pl.DataFrame | None:
    """All rows, or None where any is bad: then they are looked at one by one."""
    types = {c.source: _FAST.get(c.kind, pl.String) for c in columns.values()}
    schema: dict[str, Any] = {name: types.get(name, pl.String) for name in names}
    lazy = pl.scan_csv(path, schema=schema, separator=separator, has_header=headed)
    kept = [value(c, pl.col(c.source), schema[c.source]()).alias(n) for n, c in columns.items()]
    cut = pl.col(names[-1]).is_null().alias("cut")  # how a line that breaks off shows
    try:
        frame = lazy.select(*kept, cut).collect(engine="streaming")
    except pl.exceptions.PolarsError:
        return None
    bad = [mask for name, column in columns.items() for mask, _ in faults(column, pl.col(name))]
    return None if frame.select(pl.any_horizontal("cut", *bad).any()).item() else frame.drop("cut")


def _cells(
    path: Path, separator: str, names: list[str], headed: bool, tally: Tally
) -> Iterator[tuple[pl.DataFrame, pl.Series]]:
    """Rows as text, with the lines on which they begin; a row of another length goes to the tally."""
    rows: list[list[str]] = []
    lines: list[int] = []
    for line, last, row in _rows(path, separator, headed):
        if isinstance(row, str):
            tally.add(line, row, last - line + 1)
        elif len(row) != len(names):
            tally.add(line, f"{len(row)} cells, expected {len(names)}", last - line + 1)
        else:
            rows.append(row)
            lines.append(line)
        if len(rows) == _CHUNK:
            yield pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row"), pl.Series(lines)
            rows, lines = [], []
    if rows:
        yield pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row"), pl.Series(lines)


def _rows(path: Path, separator: str, headed: bool) -> Iterator[tuple[int, int, list[str] | str]]:
    """First line, last line, and the row or what is wrong with it; empty lines are no rows."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, delimiter=separator, strict=True)
        if headed:
            next(reader)
        while True:
            line = reader.line_num + 1
            try:
                row = next(reader, None)
            except csv.Error as error:
                if "end of data" in str(error) or "limit" in str(error):
                    raise ValueError(f"{path} line {line}: a quote that opens here is not closed ({error})") from None
                yield line, reader.line_num, str(error)
                continue
            if row is None:
                return
            if row:
                yield line, reader.line_num, row if _utf8(row) else "not UTF-8 text; save the file as UTF-8"


def _utf8(row: list[str]) -> bool:
    try:
        "".join(row).encode()
    except UnicodeEncodeError:
        return False
    return True


def once(found: pl.DataFrame, name: str, path: Path) -> pl.DataFrame:
    """`found`, or an error where a key stands in it twice."""
    twice = found.filter(pl.col(name).is_duplicated())[name].unique().sort()
    if len(twice):
        raise ValueError(f"{path}: {len(twice)} ids have several rows, e.g. {twice[0]!r}; keep one row for each")
    return found
