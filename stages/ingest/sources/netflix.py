"""The Netflix prize's ratings: `combined_data_*.txt`, or the `mv_*.txt` of training_set, with movie_titles.csv."""

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from engine.tables.schema import Time
from engine.tables.schemas import CATALOG, ITEMS
from stages.ingest.reading import archive, stream
from stages.ingest.reading.columns import Tally
from stages.ingest.reading.delimited import once
from stages.ingest.shaping.source_tables import ShapingSettings, SourceTables, empty

_TITLES = "movie_titles.csv"
_FILES = (_TITLES, *(f"combined_data_{n}.txt" for n in range(1, 5)), *(f"mv_{n:07d}.txt" for n in range(1, 17_771)))
_FIRST = datetime(1998, 1, 1, tzinfo=UTC)  # no rating is older: the service had begun
_MOVIE = re.compile(rb"([1-9]\d{0,8}):")
_RATING = re.compile(r"([1-9]\d{0,8}),([1-5]),(\d{4}-\d{2}-\d{2})")
_FILM = re.compile(r"([1-9]\d{0,8}),(\d{4}|NULL),(.*\S.*)")
_SCHEMA: dict[str, Any] = {"user": pl.Int32, "item": pl.Int32, "rating": pl.Float32, "time": Time}


class Settings(ShapingSettings):
    """The folder or .zip, its md5 ('': not compared), and what a file of it may hold."""

    folder: str
    checksum: str
    limits: stream.Limits


def read(settings: Settings, seed: int) -> SourceTables:
    """Ratings as events on the midnight (UTC) of their day; films as items, with title and year."""
    folder = archive.folder_or_unpacked(Path(settings.folder), _FILES, settings.limits.gigabytes, settings.checksum)
    inner = folder / "training_set"
    files = sorted(folder.glob("combined_data_*.txt")) or sorted((inner if inner.is_dir() else folder).glob("mv_*.txt"))
    if not files:
        raise FileNotFoundError(f"{folder}: no combined_data_*.txt and no mv_*.txt there or in training_set")
    counts: dict[str, int | float] = {"rows_read": 0, "bad_rows": 0}
    parts = [pl.DataFrame(schema=_SCHEMA)]
    for path in files:
        tally = Tally(path)
        parts.extend(_ratings(path, tally, settings.limits))
        for name, count in tally.settle(settings.bad_rows).items():
            counts[name] += count
    films, counts["bad_items"] = _films(folder / _TITLES, settings.bad_rows)
    given = empty(CATALOG).cast({"item": pl.Int64})
    return SourceTables(pl.concat(parts), films, given, counts=counts)


def _ratings(path: Path, tally: Tally, limits: stream.Limits) -> Iterator[pl.DataFrame]:
    movie: int | None = None
    for block in stream.blocks(path, limits):
        found = _fast(block.text, movie)
        if found is None:
            found, movie = _line_by_line(block, movie, tally)
        else:
            movie = found["item"][-1]
            found = found.drop_nulls("user")
            tally.rows += found.height
        yield found


def _fast(text: bytes, movie: int | None) -> pl.DataFrame | None:
    """All rows, with one that has no user where a film opens; or None where any is bad."""
    schema = dict.fromkeys(("user", "rating", "day", "more"), pl.String)
    try:
        cells = pl.read_csv(
            io.BytesIO(text), has_header=False, schema=schema, quote_char=None, missing_columns="insert"
        )
    except pl.exceptions.PolarsError:
        return None
    opens = pl.col("user").str.ends_with(":")
    day = pl.col("day").str.strip_chars_end("\r").str.to_date("%Y-%m-%d", strict=False)
    found = cells.select(
        user=pl.when(~opens).then(pl.col("user")).cast(pl.Int32, strict=False),
        item=pl.when(opens).then(pl.col("user").str.head(-1)).cast(pl.Int32, strict=False),
        rating=pl.col("rating").cast(pl.Int8, strict=False),
        time=day.cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        opens=opens,
        more=pl.col("more").is_not_null() | (opens & pl.col("rating").is_not_null()),
    ).with_columns(film=pl.col("item").forward_fill().fill_null(pl.lit(movie, pl.Int32)))
    row = (pl.col("user") > 0) & pl.col("rating").is_between(1, 5) & pl.col("time").is_between(_FIRST, _tomorrow())
    good = pl.when("opens").then(pl.col("item") > 0).otherwise(row).fill_null(False) & pl.col("film").is_not_null()
    if found.select((~good | pl.col("more")).any()).item():
        return None
    return found.select("user", pl.col("film").alias("item"), pl.col("rating").cast(pl.Float32), "time")


def _line_by_line(block: stream.Block, movie: int | None, tally: Tally) -> tuple[pl.DataFrame, int | None]:
    """The good rows of a block that holds bad ones, which go to the tally; and the film that stands open at its end."""
    rows = []
    for number, line in enumerate(block.text.split(b"\n"), block.first):
        text = line.rstrip(b"\r")
        if opened := _MOVIE.fullmatch(text):
            movie = int(opened[1])
        elif text.strip():
            row = _row(text.decode("latin-1"), movie)
            if isinstance(row, str):
                tally.add(number, row)
            else:
                rows.append(row)
    tally.rows += len(rows)
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row"), movie


def _row(text: str, movie: int | None) -> tuple[int, int, float, datetime] | str:
    """One rating, or what is wrong with its line."""
    found = _RATING.fullmatch(text)
    if found is None:
        return f"expected user,rating from 1 to 5,yyyy-mm-dd, or a film as 7:, found {text!r:.60}"
    if movie is None:
        return "a rating before any film; the file should begin with a line like 7:"
    try:
        day = datetime.strptime(found[3], "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return f"no such day: {found[3]}"
    if not _FIRST <= day <= _tomorrow():
        return f"a day before 1998 or in the future: {found[3]}"
    return int(found[1]), movie, float(found[2]), day


def _tomorrow() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)


def _films(path: Path, allowed: float) -> tuple[pl.DataFrame, int | float]:
    """Number, year and title of a film a line, in latin-1; a title may hold commas, a year may be NULL."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; it comes with the ratings")
    tally, items, titles = Tally(path), [], []
    for number, line in enumerate(path.read_bytes().decode("latin-1").split("\n"), 1):
        found = _FILM.fullmatch(line.strip())
        if found:
            items.append(int(found[1]))
            titles.append(found[3].strip() + (f" ({found[2]})" if found[2] != "NULL" else ""))
            tally.rows += 1
        elif line.strip():
            tally.add(number, f"expected number,year,title, found {line.strip()!r:.60}")
    bad = tally.settle(allowed)["bad_rows"]
    films = once(
        pl.DataFrame({"item": items, "title": titles}, schema={"item": pl.Int64, "title": pl.String}), "item", path
    )
    none = [pl.lit(None, ITEMS.columns[name]).alias(name) for name in ("categories", "ids")]
    return films.with_columns(none), bad
