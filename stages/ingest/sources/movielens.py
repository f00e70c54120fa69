"""MovieLens, every release: from a folder or an archive that is there, else downloaded from GroupLens."""

from pathlib import Path
from typing import Literal

import polars as pl

from engine.tables.schemas import CATALOG
from stages.ingest.reading import archive, delimited
from stages.ingest.reading.columns import Column, Tally
from stages.ingest.reading.download import Download
from stages.ingest.shaping.source_tables import ShapingSettings, SourceTables, empty

Counts = dict[str, int | float]

_FILES = ("ratings.csv", "movies.csv", "links.csv", "ratings.dat", "movies.dat", "u.data", "u.item", "u.genre")
_NO_GENRE = "(no genres listed)"
_FLAGS = 5  # u.item: id, title, two dates and an address, then a flag a genre


class Settings(ShapingSettings):
    """`folder` is the release's folder or its .zip; where it is empty, .cache/downloads, else `download` says."""

    release: Literal["ml-latest-small", "ml-latest", "ml-32m", "ml-25m", "ml-20m", "ml-10m", "ml-1m", "ml-100k"]
    folder: str
    download: Download


def read(settings: Settings, seed: int) -> SourceTables:
    """Ratings as events; movies as items with genres and, where the release has links, ids at TMDb and IMDb."""
    folder = archive.release_folder(settings.release, settings.folder, _FILES, settings.download)
    for name, layout in {"ratings.csv": _csv, "ratings.dat": _dat, "u.data": _tabbed}.items():
        if (folder / name).is_file():
            events, items, counts = layout(folder, settings.bad_rows)
            return SourceTables(events, items, empty(CATALOG).cast({"item": items.schema["item"]}), counts=counts)
    raise FileNotFoundError(f"{folder}: no ratings.csv, ratings.dat or u.data there; is `folder` a MovieLens release?")


def _csv(folder: Path, allowed: float) -> tuple[pl.DataFrame, pl.DataFrame, Counts]:
    events, counts = _ratings(folder / "ratings.csv", ("userId", "movieId", "rating", "timestamp"), allowed)
    movie = Column("movieId", "number")
    columns = {"item": movie, "title": Column("title", "text", True), "genres": Column("genres", "text", True)}
    movies, counts["bad_items"] = _listed(folder / "movies.csv", columns, allowed)
    columns = {"item": movie, "imdb": Column("imdbId", "text", True), "tmdb": Column("tmdbId", "number", True)}
    links, counts["bad_links"] = _listed(folder / "links.csv", columns, allowed)
    genres = pl.col("genres").replace(_NO_GENRE, None).str.split("|")
    services = {"tmdb": pl.col("tmdb").cast(pl.String), "imdb": "tt" + pl.col("imdb")}
    ids = [
        pl.when(i.is_not_null()).then(pl.struct(pl.lit(s).alias("service"), i.alias("id"))) for s, i in services.items()
    ]
    items = movies.join(links, "item", "left").with_columns(genres, ids=pl.concat_list(ids).list.drop_nulls())
    return events, _items(items), counts


def _dat(folder: Path, allowed: float) -> tuple[pl.DataFrame, pl.DataFrame, Counts]:
    # one colon as separator leaves an empty cell between each two; the reader knows no separator of two characters
    header = ["user", "-", "item", "--", "rating", "---", "time"]
    events, counts = _ratings(folder / "ratings.dat", ("user", "item", "rating", "time"), allowed, ":", header)
    rows, counts["bad_items"] = _split(folder / "movies.dat", "::", 3, allowed)
    found = pl.DataFrame(rows, schema={"item": pl.String, "title": pl.String, "genres": pl.String}, orient="row")
    return events, _items(found.with_columns(pl.col("genres").replace(_NO_GENRE, None).str.split("|"))), counts


def _tabbed(folder: Path, allowed: float) -> tuple[pl.DataFrame, pl.DataFrame, Counts]:
    header = ["user", "item", "rating", "time"]
    events, counts = _ratings(folder / "u.data", ("user", "item", "rating", "time"), allowed, "\t", header)
    named, _ = _split(folder / "u.genre", "|", 2, 0.0)
    genres = [name for name, _ in sorted(named, key=lambda pair: int(pair[1]))]
    rows, counts["bad_items"] = _split(folder / "u.item", "|", _FLAGS + len(genres), allowed)
    items = {
        "item": [row[0] for row in rows],
        "title": [row[1] for row in rows],
        "genres": [[g for g, flag in zip(genres, row[_FLAGS:], strict=True) if flag == "1"] for row in rows],
    }
    return events, _items(pl.DataFrame(items, schema_overrides={"genres": pl.List(pl.String)})), counts


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


def _listed(path: Path, columns: dict[str, Column], allowed: float) -> tuple[pl.DataFrame, int | float]:
    tally = Tally(path)
    found = delimited.read(path, columns, tally).with_columns(pl.col("item").cast(pl.Int64))
    bad = tally.settle(allowed)["bad_rows"]
    return delimited.once(found, "item", path), bad


def _split(path: Path, separator: str, cells: int, allowed: float) -> tuple[list[list[str]], int | float]:
    """Rows of the older layouts: no quotes, UTF-8 or latin-1 (ml-10m is the one, ml-1m and ml-100k the other)."""
    data, tally, rows = path.read_bytes(), Tally(path), []
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    for number, line in enumerate(text.split("\n"), 1):
        row = line.rstrip("\r").split(separator)
        if len(row) == cells and row[0].strip():
            rows.append(row)
            tally.rows += 1
        elif line.strip():
            tally.add(number, f"{len(row)} cells, expected {cells}")
    return rows, tally.settle(allowed)["bad_rows"]


def _items(found: pl.DataFrame) -> pl.DataFrame:
    """Each genre is a path of one step."""
    paths = pl.col("genres").list.eval(pl.concat_list(pl.element()))
    none = pl.lit(None, pl.List(pl.Struct({"service": pl.String, "id": pl.String})))
    ids = pl.col("ids") if "ids" in found.columns else none.alias("ids")
    return found.select(pl.col("item").cast(pl.Int64), "title", paths.alias("categories"), ids)
