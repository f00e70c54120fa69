"""The Netflix prize's ratings: `combined_data_*.txt`, or the `mv_*.txt` of training_set, with movie_titles.csv."""

from pathlib import Path

import polars as pl
from pydantic import Field

from engine.tables.schemas import CATALOG
from stages.ingest.reading import archive, raw_files, stream
from stages.ingest.reading.columns import Tally
from stages.ingest.reading.progress import reading_bar
from stages.ingest.shaping.source_tables import ShapingSettings, SourceTables, empty
from stages.ingest.sources.netflix.ratings import SCHEMA, rating_tables
from stages.ingest.sources.netflix.titles import film_table

_TITLES = "movie_titles.csv"
_FILES = (_TITLES, *(f"combined_data_{n}.txt" for n in range(1, 5)), *(f"mv_{n:07d}.txt" for n in range(1, 17_771)))


class Settings(ShapingSettings):
    """The Netflix prize."""

    folder: str = Field(
        min_length=1, description="folder or .zip of training_set/mv_*.txt or combined_data_*.txt, movie_titles.csv"
    )
    checksum: str = Field("", description="md5 of the .zip; empty: not compared")
    limits: stream.Limits = Field(description="what a file may hold; the gigabytes also bound the .zip once unpacked")


def files(settings: Settings) -> list[Path]:
    """The .zip, or the files of ratings and titles."""
    folder = raw_files.find(settings.folder)
    inner = folder / "training_set"
    return raw_files.listed(folder, _FILES) + (raw_files.listed(inner, _FILES) if inner.is_dir() else [])


def read(settings: Settings, seed: int) -> SourceTables:
    """Ratings as events on the midnight (UTC) of their day; films as items, with title and year."""
    folder = archive.folder_or_unpacked(settings.folder, _FILES, settings.limits.gigabytes, settings.checksum)
    inner = folder / "training_set"
    ratings = sorted(folder.glob("combined_data_*.txt"))
    ratings = ratings or sorted((inner if inner.is_dir() else folder).glob("mv_*.txt"))
    if not ratings:
        raise FileNotFoundError(f"{folder}: no combined_data_*.txt and no mv_*.txt there or in training_set")
    counts: dict[str, int | float] = {"rows_read": 0, "bad_rows": 0}
    parts = [pl.DataFrame(schema=SCHEMA)]
    with reading_bar(ratings) as wrap:
        for path in ratings:
            tally = Tally(path)
            parts.extend(rating_tables(tally, stream.blocks(path, settings.limits, wrap)))
            for name, count in tally.settle(settings.bad_rows).items():
                counts[name] += count
    films, counts["bad_items"] = film_table(folder / _TITLES, settings.bad_rows)
    given = empty(CATALOG).cast({"item": pl.Int64})
    return SourceTables(pl.concat(parts), films, given, counts=counts)
