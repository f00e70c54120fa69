"""Netflix's files of ratings: a line like `7:` opens a film, lines of user,rating,day follow."""

import io
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from engine.tables.schema import Time
from stages.ingest.reading import stream
from stages.ingest.reading.columns import Tally

SCHEMA: dict[str, Any] = {"user": pl.Int32, "item": pl.Int32, "rating": pl.Float32, "time": Time}
_FIRST = datetime(1998, 1, 1, tzinfo=UTC)  # no rating is older: the service had begun
_MOVIE = re.compile(rb"([1-9]\d{0,8}):")
_RATING = re.compile(r"([1-9]\d{0,8}),([1-5]),(\d{4}-\d{2}-\d{2})")


def rating_tables(tally: Tally, blocks: Iterable[stream.Block]) -> Iterator[pl.DataFrame]:
    """user, item, rating, time of one block after the other; bad lines go to the tally."""
    movie: int | None = None
    for block in blocks:
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
    return pl.DataFrame(rows, schema=SCHEMA, orient="row"), movie


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
