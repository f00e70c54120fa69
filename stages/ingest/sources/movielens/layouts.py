"""The three layouts of MovieLens's releases: CSV, `::` (ml-10m, ml-1m) and tabs with `|` (ml-100k)."""

import re
from codecs import BOM_UTF8
from collections.abc import Callable
from pathlib import Path

import polars as pl

from stages.ingest.reading import delimited, plain_text
from stages.ingest.reading.columns import Column, Tally
from stages.ingest.reading.text_cleaning import decode
from stages.ingest.sources.movielens.movies import GENRES, as_items, linked_movies

Counts = dict[str, int | float]
ReadLayout = Callable[[Path, float], tuple[pl.DataFrame, pl.DataFrame, Counts]]

_FLAGS = 5  # u.item: id, title, two dates and an address, then a flag a genre
_NUMBER = r"-?[0-9]{1,18}"


def _csv(folder: Path, allowed: float) -> tuple[pl.DataFrame, pl.DataFrame, Counts]:
    events, counts = _ratings(folder / "ratings.csv", ("userId", "movieId", "rating", "timestamp"), allowed)
    items, bad = linked_movies(folder, allowed)
    return events, items, counts | bad


def _dat(folder: Path, allowed: float) -> tuple[pl.DataFrame, pl.DataFrame, Counts]:
    # one colon as separator leaves an empty cell between each two; the reader knows no separator of two characters
    header = ["user", "-", "item", "--", "rating", "---", "time"]
    events, counts = _ratings(folder / "ratings.dat", ("user", "item", "rating", "time"), allowed, ":", header)
    rows, counts["bad_items"] = _split(folder / "movies.dat", "::", 3, allowed)
    found = pl.DataFrame(rows, schema={"item": pl.String, "title": pl.String, "genres": pl.String}, orient="row")
    return events, as_items(found.with_columns(GENRES)), counts


def _tabbed(folder: Path, allowed: float) -> tuple[pl.DataFrame, pl.DataFrame, Counts]:
    header = ["user", "item", "rating", "time"]
    events, counts = _ratings(folder / "u.data", ("user", "item", "rating", "time"), allowed, "\t", header)
    named, _ = _split(folder / "u.genre", "|", 2, 0.0, key=1)
    genres = [name for name, _ in sorted(named, key=lambda pair: int(pair[1]))]
    rows, counts["bad_items"] = _split(folder / "u.item", "|", _FLAGS + len(genres), allowed)
    items = {
        "item": [row[0] for row in rows],
        "title": [row[1] for row in rows],
        "genres": [[g for g, flag in zip(genres, row[_FLAGS:], strict=True) if flag == "1"] for row in rows],
    }
    return events, as_items(pl.DataFrame(items, schema_overrides={"genres": pl.List(pl.String)})), counts


def _ratings(
    path: Path, names: tuple[str, str, str, str], allowed: float, separator: str = ",", header: list[str] | None = None
) -> tuple[pl.DataFrame, Counts]:
    tally, (user, item, rating, time) = Tally(path), names
    columns = {
        "user": Column(user, "number"),
        "item": Column(item, "number"),
        "rating": Column(rating, "rating"),
        "time": Column(time, "seconds"),
    }
    events = delimited.read(path, columns, tally, separator, header)
    return events, tally.settle(allowed)


def _split(path: Path, separator: str, cells: int, allowed: float, key: int = 0) -> tuple[list[list[str]], int | float]:
    """Rows of the older layouts: no quotes, UTF-8 or latin-1 (ml-10m is the one, ml-1m and ml-100k the other).

    The cell `key` is a whole number, which names one row.
    """
    plain_text.refuse_other(path)
    tally, rows = Tally(path), []
    for number, raw in enumerate(path.read_bytes().removeprefix(BOM_UTF8).split(b"\n"), 1):
        line = decode(raw)
        row = [cell.strip() for cell in line.split(separator)]
        if len(row) != cells:
            if line.strip():
                tally.add(number, f"{len(row)} cells, expected {cells}")
        elif re.fullmatch(_NUMBER, row[key]):
            rows.append(row)
            tally.rows += 1
        else:
            tally.add(number, f"no whole number, found {row[key]!r:.40}")
    bad = tally.settle(allowed)["bad_rows"]
    keys = pl.DataFrame({"key": [int(row[key]) for row in rows]}, schema={"key": pl.Int64})
    delimited.once(keys, "key", path)
    return rows, bad


LAYOUTS: dict[str, tuple[tuple[str, ...], ReadLayout]] = {
    "ratings.csv": (("movies.csv", "links.csv"), _csv),
    "ratings.dat": (("movies.dat",), _dat),
    "u.data": (("u.item", "u.genre"), _tabbed),
}
"""The file of ratings that tells a layout, the files that describe the movies, and what reads them: events, items and
counts of a folder, given the share of bad rows that is allowed."""
