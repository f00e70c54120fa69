"""MovieLens, every release: from a folder or an archive that is there, else downloaded from GroupLens."""

from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field

from engine.tables.schemas import CATALOG
from stages.ingest.reading import archive, raw_files
from stages.ingest.reading.download import Download
from stages.ingest.shaping.source_tables import ShapingSettings, SourceTables, empty
from stages.ingest.sources.movielens import other_links
from stages.ingest.sources.movielens.layouts import LAYOUTS
from stages.ingest.sources.movielens.movies import linked_movies

_FILES = tuple(name for ratings, (others, _) in LAYOUTS.items() for name in (ratings, *others))


class Settings(ShapingSettings):
    """MovieLens."""

    release: Literal["ml-latest-small", "ml-latest", "ml-32m", "ml-25m", "ml-20m", "ml-10m", "ml-1m", "ml-100k"] = (
        Field(description="which of GroupLens's data sets")
    )
    folder: str = Field("", description="the release's folder or .zip; empty: .cache/downloads, else it is downloaded")
    links: str = Field(
        "",
        description="for a release without ids at services (ml-10m, ml-1m, ml-100k): another one's folder or .zip, "
        "whose ids are taken; a film that is left without is asked for by title and year, where a service can",
    )
    download: Download = Field(description="where the release is downloaded from")


def files(settings: Settings) -> list[Path]:
    """The release's files or its .zip, where they are named; a download is known by release and published md5."""
    own = raw_files.listed(raw_files.find(settings.folder), _FILES) if settings.folder else []
    return [*own, *other_links.places(settings.links)]


def read(settings: Settings, seed: int) -> SourceTables:
    """Ratings as events; movies as items with genres, and ids at TMDb and IMDb of its own links or another release's.

    Raises:
        FileNotFoundError: a file of the release, or of that of `links`, is not there.
        ValueError: `links` is set, and the release has its own.
    """
    folder = archive.release_folder(settings.release, settings.folder, _FILES, settings.download)
    for name, (others, read_layout) in LAYOUTS.items():
        if (folder / name).is_file():
            if lacking := [other for other in others if not (folder / other).is_file()]:
                raise FileNotFoundError(f"{folder}: {name} without {', '.join(lacking)}; add those of the release")
            events, items, counts = read_layout(folder, settings.bad_rows)
            if settings.links:
                items, found = _linked(items, settings, folder)
                counts |= found
            items = items.with_columns(other_links.TITLED)
            return SourceTables(events, items, empty(CATALOG).cast({"item": items.schema["item"]}), counts=counts)
    raise FileNotFoundError(f"{folder}: no ratings.csv, ratings.dat or u.data there; is `folder` a MovieLens release?")


def _linked(items: pl.DataFrame, settings: Settings, folder: Path) -> tuple[pl.DataFrame, dict[str, int | float]]:
    if (folder / "links.csv").is_file():
        raise ValueError(f"links is {settings.links!r}, and {folder} has a links.csv of its own; leave `links` empty")
    other, bad = linked_movies(other_links.folder(settings.links, settings.download.gigabytes), settings.bad_rows)
    linked, counts = other_links.with_ids(items, other)
    return linked, {**counts, **{f"{name}_of_links": value for name, value in bad.items()}}
