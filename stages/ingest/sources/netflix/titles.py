"""Netflix's movie_titles.csv: number, year and title of a film a line."""

import csv
import re
from codecs import BOM_UTF8
from pathlib import Path

import polars as pl

from engine.tables.schemas import ITEMS
from stages.ingest.reading import plain_text
from stages.ingest.reading.columns import Tally
from stages.ingest.reading.delimited import once
from stages.ingest.reading.text_cleaning import decode

_FILM = re.compile(r"([1-9]\d{0,8}),(\d{4}|NULL),(.*\S.*)")


def film_table(path: Path, allowed: float) -> tuple[pl.DataFrame, int | float]:
    """Number, year and title of a film a line; a title may hold commas, a year may be NULL.

    The prize's own file is latin-1 and knows no quotes; some copies are in UTF-8, or have titles quoted as in CSV.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; it comes with the ratings")
    plain_text.refuse_other(path)
    tally, items, titles = Tally(path), [], []
    for number, raw in enumerate(path.read_bytes().removeprefix(BOM_UTF8).split(b"\n"), 1):
        line = decode(raw)
        found = _FILM.fullmatch(line.strip())
        if found:
            items.append(int(found[1]))
            titles.append(_unquoted(found[3].strip()) + (f" ({found[2]})" if found[2] != "NULL" else ""))
            tally.rows += 1
        elif line.strip():
            tally.add(number, f"expected number,year,title, found {line.strip()!r:.60}")
    bad = tally.settle(allowed)["bad_rows"]
    films = once(
        pl.DataFrame({"item": items, "title": titles}, schema={"item": pl.Int64, "title": pl.String}), "item", path
    )
    none = [pl.lit(None, ITEMS.columns[name]).alias(name) for name in ("categories", "ids")]
    return films.with_columns(none), bad


def _unquoted(title: str) -> str:
    """A title that is quoted as a whole, as a CSV writer quotes it, without its quotes."""
    if not re.fullmatch(r'"(?:[^"]|"")*"', title):
        return title
    return next(csv.reader([title]))[0].strip()
