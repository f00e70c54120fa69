"""What a column of a raw file must hold, how its text is read, and what is wrong with a row that does not fit."""

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import polars as pl

from engine.tables.schema import Time

Kind = Literal["number", "id", "text", "rating", "seconds", "milliseconds", "iso"]
_SCALE = {"seconds": 1_000_000, "milliseconds": 1_000}
_ISO = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?\s?(Z|[+-]\d{2}:?\d{2})?)?$"
_SHOWN = 3


@dataclass(frozen=True)
class Column:
    """A column of a file: its name there, what it holds, and whether a cell may be empty."""

    source: str
    kind: Kind
    optional: bool = False


@dataclass
class Tally:
    """Bad rows of one file: counted, the first ones kept for the message."""

    path: Path
    unit: str = "line"
    rows: int = 0
    bad: int = 0
    first: list[tuple[int, str]] = field(default_factory=list)

    def add(self, place: int, why: str, rows: int = 1) -> None:
        """A bad row that begins at line `place`, over so many lines."""
        self.bad += rows
        self.rows += rows
        self.first = sorted([*self.first, (place, why)])[:_SHOWN]

    def take(self, part: "Tally") -> None:
        """The counts of another part of the same file."""
        self.rows, self.bad = self.rows + part.rows, self.bad + part.bad
        self.first = sorted([*self.first, *part.first])[:_SHOWN]

    def settle(self, allowed: float) -> dict[str, int | float]:
        """The counts for the report, or an error where more than `allowed` of the rows are bad.

        Raises:
            ValueError: file, line, what was found there, how many there are, what would do.
        """
        if self.rows == 0:
            raise ValueError(f"{self.path}: no rows in it")
        if self.bad:
            examples = "; ".join(f"{self.unit} {place}: {why}" for place, why in self.first)
            more = " …" if self.bad > len(self.first) else ""
            message = f"{self.path} {examples}{more} ({self.bad} of {self.rows} rows"
            if self.bad == self.rows or self.bad / self.rows > allowed:
                raise ValueError(f"{message} are bad; bad_rows allows a share of {allowed}: mend the file or raise it)")
            logging.getLogger(__name__).warning("%s are bad, left out and counted)", message)
        return {"rows_read": self.rows, "bad_rows": self.bad}


def value(column: Column, cell: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """The column's values from cells of text, or from the typed ones of a Parquet file; null where unreadable."""
    if column.kind in ("id", "text"):
        words = cell.cast(pl.String).str.strip_chars()
        return pl.when(words != "").then(words)
    if isinstance(dtype, pl.Datetime):
        return (cell.dt.replace_time_zone("UTC") if dtype.time_zone is None else cell).cast(Time)
    if dtype == pl.Date:
        return cell.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if dtype == pl.String:
        cell = cell.str.strip_chars()
    if column.kind == "number":
        return cell if dtype.is_integer() else cell.cast(pl.Int64, strict=False)
    if column.kind == "rating":
        return cell.cast(pl.Float32, strict=False)
    if column.kind == "iso":
        return _instant(cell.cast(pl.String))
    scale = _SCALE[column.kind]
    if dtype.is_integer():
        return (cell.cast(pl.Int64) * scale).cast(Time)
    parts = (cell.cast(pl.Float64, strict=False) * scale).round().cast(pl.Int64, strict=False)
    return pl.coalesce(cell.cast(pl.Int64, strict=False) * scale, parts).cast(Time)


def _instant(text: pl.Expr) -> pl.Expr:
    """ISO 8601 as an instant: a date alone is its midnight, no zone is UTC."""
    plain = pl.when(text.str.contains(_ISO)).then(text).str.replace("T", " ").str.replace(" ?Z$", "+00:00")
    plain = pl.when(plain.str.len_chars() == 10).then(plain + " 00:00").otherwise(plain)
    plain = plain.str.replace(r"( \d{2}:\d{2})($| ?[+-])", "${1}:00${2}").str.replace(r" ([+-])", "${1}")
    plain = pl.when(plain.str.contains(r"[+-]\d{2}:?\d{2}$")).then(plain).otherwise(plain + "+00:00")
    return plain.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%:z", time_unit="us", strict=False).cast(Time)


def faults(column: Column, found: pl.Expr) -> list[tuple[pl.Expr, str]]:
    """What can be wrong with values read by `value`: masks, and what to say. A day is left for clocks that run fast."""
    told = [] if column.optional else [(found.is_null(), f"no {_SPOKEN[column.kind]} there")]
    if column.kind == "rating":
        told.append((~found.is_finite(), "not a finite number"))
    if column.kind in ("seconds", "milliseconds", "iso"):
        now = datetime.now(UTC) + timedelta(days=1)
        hint = " (milliseconds?)" if column.kind == "seconds" else ""
        told.append((found < datetime(1970, 1, 1, tzinfo=UTC), "a time before 1970"))
        told.append((found > now, f"a time in the future{hint}"))
    return told


def judged(cells: pl.DataFrame, lines: pl.Series, columns: dict[str, Column], tally: Tally) -> pl.DataFrame:
    """The good rows of raw cells (named as in the file), under our names; the bad ones go to the tally."""
    found = cells.select(value(c, pl.col(c.source), cells[c.source].dtype).alias(n) for n, c in columns.items())
    why = pl.Series("why", [None], dtype=pl.String).new_from_index(0, cells.height)
    for name, column in columns.items():
        text = cells[column.source].cast(pl.String).fill_null("").str.strip_chars()
        # a cell that holds something unreadable is bad even where an empty one may be
        known = [((found[name].is_null() & (text != "")), f"no {_SPOKEN[column.kind]}")]
        for mask, told in [*known, *((found.select(m).to_series(), t) for m, t in faults(column, pl.col(name)))]:
            said = pl.format(f"{{}}: {told}, found {{}}", pl.lit(column.source), "text")
            frame = pl.DataFrame({"why": why, "mask": mask.fill_null(False), "text": text.str.slice(0, 40)})
            why = frame.select(pl.coalesce("why", pl.when("mask").then(said))).to_series()
    good = why.is_null()
    for line, reason in zip(lines.filter(~good), why.filter(~good), strict=True):
        tally.add(line, reason)
    tally.rows += int(good.sum())
    return found.filter(good)


_SPOKEN = {
    "id": "id",
    "text": "text",
    "number": "whole number",
    "rating": "number",
    "seconds": "time in seconds",
    "milliseconds": "time in milliseconds",
    "iso": "ISO 8601 time",
}
