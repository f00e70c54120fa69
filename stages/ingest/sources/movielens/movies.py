"""Movies of a release: movies.csv with links.csv beside it, and what every layout makes of its movies."""

from pathlib import Path

import polars as pl

from stages.ingest.reading import delimited
from stages.ingest.reading.columns import Column, Tally
from stages.ingest.reading.shares import refuse_all

GENRES = pl.col("genres").replace("(no genres listed)", None).str.split("|")
_IMDB = r"^(?:tt)?(\d+)(?:\.0+)?$"  # an id as IMDb writes it, or as a spreadsheet or pandas has left it
_TMDB = r"^0*(\d+)(?:\.0+)?$"


def linked_movies(folder: Path, allowed: float) -> tuple[pl.DataFrame, dict[str, int | float]]:
    """movies.csv with the ids of links.csv, and how many rows of either cannot be read."""
    movie = Column("movieId", "number")
    columns = {"item": movie, "title": Column("title", "text", True), "genres": Column("genres", "text", True)}
    movies, bad_items = _listed(folder / "movies.csv", columns, allowed)
    links, bad_links = _links(folder / "links.csv", movie, allowed)
    ids = [
        pl.when(pl.col(s).is_not_null()).then(pl.struct(pl.lit(s).alias("service"), pl.col(s).alias("id")))
        for s in ("tmdb", "imdb")
    ]
    linked = int(movies["item"].is_in(links["item"].implode()).sum())
    said = f"{folder / 'links.csv'}: it has {linked} of the {movies.height} movies of movies.csv"
    refuse_all(movies.height - linked, movies.height, f"{said}; take both from one release")
    items = movies.join(links, "item", "left").with_columns(GENRES, ids=pl.concat_list(ids).list.drop_nulls())
    return as_items(items), {"bad_items": bad_items, "bad_links": bad_links}


def as_items(found: pl.DataFrame) -> pl.DataFrame:
    """Each genre is a path of one step, once; an empty title or genre is none."""
    name = pl.element().str.strip_chars()
    names = pl.col("genres").list.eval(name.filter(name != "")).list.unique(maintain_order=True)
    paths = names.list.eval(pl.concat_list(pl.element()))
    title = pl.col("title").replace("", None)
    none = pl.lit(None, pl.List(pl.Struct({"service": pl.String, "id": pl.String})))
    ids = pl.col("ids") if "ids" in found.columns else none.alias("ids")
    return found.select(pl.col("item").cast(pl.Int64), title, paths.alias("categories"), ids)


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
