"""Ids at services for a release that has none, taken from another: by number, or by title and year."""

from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import polars as pl

from engine.tables.film_title import FilmTitle
from stages.ingest.reading import archive, raw_files

FILES = ("movies.csv", "links.csv")
TITLED = (  # a film without an id at IMDb has its title for an id
    pl.when(pl.col("ids").list.eval(pl.element().struct["service"] == "imdb").list.any().fill_null(False))
    .then("ids")
    .when(pl.col("title").is_null())
    .then("ids")
    .otherwise(pl.concat_list(pl.col("ids").fill_null([]), pl.struct(service=pl.lit("title"), id=pl.col("title"))))
    .alias("ids")
)
_ALIKE = 0.9  # so many of the numbers that both have must be of one title and year, or the numbers say nothing


class _Film(NamedTuple):
    text: str
    title: FilmTitle
    ids: list[dict[str, str]]


def places(path: str) -> list[Path]:
    """The raw files of the other release; none where no path is given."""
    return raw_files.listed(raw_files.find(path), FILES) if path else []


def folder(path: str, gigabytes: float) -> Path:
    """The folder of the other release, unpacked where it is a .zip.

    Raises:
        FileNotFoundError: there is none, or it lacks one of its two files.
    """
    found = archive.folder_or_unpacked(path, FILES, gigabytes)
    if lacking := [name for name in FILES if not (found / name).is_file()]:
        raise FileNotFoundError(f"{found}: no {' and no '.join(lacking)}; `links` names a release that has both")
    return found


def with_ids(items: pl.DataFrame, other: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int | float]]:
    """`items` with the ids of `other`'s films (both as ITEMS), and how many were found in which way.

    A film of the same number and another title or year is `doubtful`, where the two releases number alike.
    """
    theirs = {item: _Film(title, FilmTitle.parse(title), ids or []) for item, title, ids in _rows(other)}
    named: dict[tuple[str, int | None], set[int]] = defaultdict(set)
    for item, film in theirs.items():
        for key in film.title.keys:
            named[key, film.title.year].add(item)
    ours = {item: FilmTitle.parse(title) for item, title, _ in _rows(items)}
    both = [item for item in ours if item in theirs]
    same = {item for item in both if ours[item].means(theirs[item].title)}
    numbered = len(same) >= _ALIKE * len(both)
    found: list[list[dict[str, str]]] = []
    counts = {"linked_by_number": 0, "linked_by_title": 0, "linked_doubtfully": 0, "not_linked": 0}
    for item, title in ours.items():
        by_title = set[int]().union(*(named[key, title.year] for key in title.keys)) if title.year else set[int]()
        if item in same:
            way, ids = "linked_by_number", theirs[item].ids
        elif len(by_title) == 1:
            way, ids = "linked_by_title", theirs[next(iter(by_title))].ids
        elif numbered and item in theirs:
            way, ids = "linked_doubtfully", [*theirs[item].ids, {"service": "doubtful", "id": theirs[item].text}]
        else:
            way, ids = "not_linked", []
        counts[way] += 1
        found.append(ids)
    return items.with_columns(pl.Series("ids", found, dtype=items.schema["ids"])), {**counts}


def _rows(items: pl.DataFrame) -> list[tuple[int, str, list[dict[str, str]] | None]]:
    return list(items.select("item", pl.col("title").fill_null(""), "ids").iter_rows())
