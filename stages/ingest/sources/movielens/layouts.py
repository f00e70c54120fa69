"""The three layouts of MovieLens's releases: CSV, `::` (ml-10m, ml-1m) and tabs with `|` (ml-100k)."""

import re
from codecs import BOM_UTF8
from collections.abc import Callable
from pathlib import Path

import polars as pl

from stages.ingest.reading import delimited, plain_text
from stages.ingest.reading.columns import Column, Tally
from stages.ingest.reading.shares import refuse_all
from stages.ingest.reading.text_cleaning import decode

Counts = dict[str, int | float]
ReadLayout = Callable[[Path, float], tuple[pl.DataFrame, pl.DataFrame, Counts]]

_GENRES = pl.col("genres").replace("(no genres listed)", None).str.split("|")
_FLAGS = 5  # u.item: id, title, two dates and an address, then a flag a genre
_NUMBER = r"-?[0-9]{1,18}"
_IMDB = r"^(?:tt)?(\d+)(?:\.0+)?$"  # an id as IMDb writes it, or as a spreadsheet or pandas has left it
_TMDB = r"^0*(\d+)(?:\.0+)?$"


def _csv(folder: Path, allowed: float) -> tuple[pl.DataFrame, pl.DataFrame, Counts]:
    events, counts = _ratings(folder / "ratings.csv", ("userId", "movieId", "rating", "timestamp"), allowed)
    movie = Column("movieId", "number")
    columns = {"item": movie, "title": Column("title", "text", True), "genres": Column("genres", "text", True)}
    movies, counts["bad_items"] = _listed(folder / "movies.csv", columns, allowed)
    links, counts["bad_links"] = _links(folder / "links.csv", movie, allowed)
    ids = [
        pl.when(pl.col(s).is_not_null()).then(pl.struct(pl.lit(s).alias("service"), pl.col(s).alias("id")))
        for s in ("tmdb", "imdb")
    ]
    linked = int(movies["item"].is_in(links["item"].implode()).sum())
    said = f"{folder / 'links.csv'}: it has {linked} of the {movies.height} movies of movies.csv"
    refuse_all(movies.height - linked, movies.height, f"{said}; take both from one release")
    items = movies.join(links, "item", "left").with_columns(_GENRES, ids=pl.concat_list(ids).list.drop_nulls())
    return events, _items(items), counts


def _dat(folder: Path, allowed: float) -> tuple[pl.DataFrame, pl.DataFrame, Counts]:
    # one colon as separator leaves an empty cell between each two; the reader knows no separator of two characters
    header = ["user", "-", "item", "--", "rating", "---", "time"]
    events, counts = _ratings(folder / "ratings.dat", ("user", "item", "rating", "time"), allowed, ":", header)
    rows, counts["bad_items"] = _split(folder / "movies.dat", "::", 3, allowed)
    found = pl.DataFrame(rows, schema={"item": pl.String, "title": pl.String, "genres": pl.String}, orient="row")
    return events, _items(found.with_columns(_GENRES)), counts


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


def _links(path: Path, movie: Column, allowed: float) -> tuple[pl.DataFrame, int | float]:
    """item, imdb (`tt` and at least seven digits), tmdb (a whole number); zeros that were lost come back."""
    columns = {"item": movie, "imdb": Column("imdbId", "text", True), "tmdb": Column("tmdbId", "text", True)}
    found, bad = _listed(path, columns, allowed)
    tally = Tally(path, "movie", found.height)
    for name, pattern, form in (("imdb", _IMDB, "tt and a number"), ("tmdb", _TMDB, "a whole number")):
        wrong = ~pl.col(name).str.contains(pattern)
        for item, text in found.filter(wrong).select("item", name).iter_rows():
            tally.add(item, f"{name}Id: expected {form}, found {text!r:.40}", rows=0)
            tally.bad += 1
        found = found.filter(~wrong.fill_null(False))
    ids = {"imdb": "tt" + pl.col("imdb").str.extract(_IMDB).str.zfill(7), "tmdb": pl.col("tmdb").str.extract(_TMDB)}
    return found.with_columns(**ids), bad + tally.settle(allowed)["bad_rows"]


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


def _items(found: pl.DataFrame) -> pl.DataFrame:
    """Each genre is a path of one step, once; an empty title or genre is none."""
    name = pl.element().str.strip_chars()
    names = pl.col("genres").list.eval(name.filter(name != "")).list.unique(maintain_order=True)
    paths = names.list.eval(pl.concat_list(pl.element()))
    title = pl.col("title").replace("", None)
    none = pl.lit(None, pl.List(pl.Struct({"service": pl.String, "id": pl.String})))
    ids = pl.col("ids") if "ids" in found.columns else none.alias("ids")
    return found.select(pl.col("item").cast(pl.Int64), title, paths.alias("categories"), ids)


LAYOUTS: dict[str, tuple[tuple[str, ...], ReadLayout]] = {
    "ratings.csv": (("movies.csv", "links.csv"), _csv),
    "ratings.dat": (("movies.dat",), _dat),
    "u.data": (("u.item", "u.genre"), _tabbed),
}
"""The file of ratings that tells a layout, the files that describe the movies, and what reads them: events, items and
counts of a folder, given the share of bad rows that is allowed."""
