"""What a column of a raw file must hold, how its text is read, and what is wrong with a row that does not fit."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import polars as pl

from engine.tables.printing import printable
from stages.ingest.reading import times
from stages.ingest.reading.empty_cells import NOBODY
from stages.ingest.reading.shares import refuse_all, warn_many

Kind = Literal["number", "id", "text", "categories", "rating", "seconds", "milliseconds", "iso"]
ROUNDED = r"^\d([.,]\d+)?[eE]\+\d{1,2}$"  # how a spreadsheet shows a long number: most of its digits are lost
_SHOWN = 3


@dataclass(frozen=True)
class Column:
    """A column of a file: its name there, what it holds, whether a cell may be empty, the first year believed."""

    source: str
    kind: Kind
    optional: bool = False
    earliest: int = times.EARLIEST


@dataclass
class Tally:
    """Bad rows of one file: counted, the first ones kept for the message; and times that a spreadsheet has rounded."""

    path: Path
    unit: str = "line"
    rows: int = 0
    bad: int = 0
    first: list[tuple[int, str]] = field(default_factory=list)
    rounded: int = 0
    example: str = ""

    def add(self, place: int, why: str, rows: int = 1) -> None:
        """A bad row that begins at line `place`, over so many lines."""
        self.bad += rows
        self.rows += rows
        self.first = sorted([*self.first, (place, printable(why))])[:_SHOWN]

    def take(self, part: "Tally") -> None:
        """The counts of another part of the same file."""
        self.rows, self.bad = self.rows + part.rows, self.bad + part.bad
        self.first = sorted([*self.first, *part.first])[:_SHOWN]
        self.rounded, self.example = self.rounded + part.rounded, self.example or part.example

    def round(self, cells: pl.Series) -> None:
        """Count the cells of times that are rounded."""
        found = cells.filter(cells.str.contains(ROUNDED))
        if len(found):
            self.rounded, self.example = self.rounded + len(found), self.example or found[0]

    def settle(self, allowed: float) -> dict[str, int | float]:
        """The counts for the report, or an error where more than `allowed` of the rows are bad.

        Raises:
            ValueError: file, line, what was found there, how many there are, what would do.
        """
        if self.rows == 0:
            raise ValueError(f"{self.path}: no rows in it")
        said = (
            f"{self.path}: {self.rounded} of {self.rows} times look as a spreadsheet rounds them, e.g. {self.example}"
        )
        refuse_all(self.rounded, self.rows, f"{said}; write the column as text")
        warn_many(self.rounded, self.rows, said)
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
    if column.kind in ("id", "text", "categories"):
        words = (cell.fill_nan(None) if dtype.is_float() else cell).cast(pl.String).str.strip_chars()
        return pl.when(words != "").then(words)
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        cell = cell.cast(pl.String).str.strip_chars()
    if column.kind in times.FORMS:
        return times.instant(column.kind, cell, dtype)
    if column.kind == "number":
        return cell if dtype.is_integer() else cell.cast(pl.Int64, strict=False)
    return cell.cast(pl.Float32, strict=False)


def faults(column: Column, found: pl.Expr) -> list[tuple[pl.Expr, str]]:
    """What can be wrong with values read by `value`: masks, and what to say."""
    wrong = [] if column.optional else [(found.is_null(), f"no {_SPOKEN[column.kind]} there")]
    if column.kind == "rating":
        wrong.append((~found.is_finite(), "not a finite number"))
    if column.kind == "id":
        wrong.append((found.str.contains(r"\p{Cc}"), "a control character in an id"))
        wrong.append((found.str.contains(NOBODY), "a word for nothing, which is no id"))
    if column.kind in times.FORMS:
        wrong += times.faults(column.kind, found, column.earliest)
    return wrong


def judged(cells: pl.DataFrame, lines: pl.Series, columns: dict[str, Column], tally: Tally) -> pl.DataFrame:
    """The good rows of raw cells (named as in the file), under our names; the bad ones go to the tally."""
    found = cells.select(value(c, pl.col(c.source), cells[c.source].dtype).alias(n) for n, c in columns.items())
    why = pl.Series("why", [None], dtype=pl.String).new_from_index(0, cells.height)
    for name, column in columns.items():
        cell = cells[column.source]
        if column.kind == "text" and cell.dtype.is_float():
            cell = cell.fill_nan(None)  # a text that is not there
        text = (found[name] if cell.dtype.is_temporal() else cell).cast(pl.String).fill_null("").str.strip_chars()
        if column.kind in times.FORMS and not cell.dtype.is_numeric():
            tally.round(text)
        # a cell that holds something unreadable is bad even where an empty one may be
        known = [((found[name].is_null() & (text != "")), f"no {_SPOKEN[column.kind]}")]
        for mask, wrong in [*known, *((found.select(m).to_series(), w) for m, w in faults(column, pl.col(name)))]:
            said = pl.format(f"{{}}: {wrong}, found {{}}", pl.lit(column.source), "text")
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
    "categories": "categories",
    "number": "whole number",
    "rating": "number",
    "seconds": "time in seconds",
    "milliseconds": "time in milliseconds",
    "iso": "ISO 8601 time",
}
