"""MovieLens, every release: from a folder or an archive that is there, else downloaded from GroupLens."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from engine.tables.schemas import CATALOG
from stages.ingest.reading import archive, raw_files
from stages.ingest.reading.download import Download
from stages.ingest.shaping.source_tables import ShapingSettings, SourceTables, empty
from stages.ingest.sources.movielens.layouts import LAYOUTS

_FILES = tuple(name for ratings, (others, _) in LAYOUTS.items() for name in (ratings, *others))


class Settings(ShapingSettings):
    """MovieLens."""

    release: Literal["ml-latest-small", "ml-latest", "ml-32m", "ml-25m", "ml-20m", "ml-10m", "ml-1m", "ml-100k"] = (
        Field(description="which of GroupLens's data sets")
    )
    folder: str = Field("", description="the release's folder or .zip; empty: .cache/downloads, else it is downloaded")
    download: Download = Field(description="where the release is downloaded from")


def files(settings: Settings) -> list[Path]:
    """The release's files or its .zip, where they are named; a download is known by release and published md5."""
    return raw_files.listed(raw_files.find(settings.folder), _FILES) if settings.folder else []


def read(settings: Settings, seed: int) -> SourceTables:
    """Ratings as events; movies as items with genres and, where the release has links, ids at TMDb and IMDb."""
    folder = archive.release_folder(settings.release, settings.folder, _FILES, settings.download)
    for name, (others, read_layout) in LAYOUTS.items():
        if (folder / name).is_file():
            if lacking := [other for other in others if not (folder / other).is_file()]:
                raise FileNotFoundError(f"{folder}: {name} without {', '.join(lacking)}; add those of the release")
            events, items, counts = read_layout(folder, settings.bad_rows)
            return SourceTables(events, items, empty(CATALOG).cast({"item": items.schema["item"]}), counts=counts)
    raise FileNotFoundError(f"{folder}: no ratings.csv, ratings.dat or u.data there; is `folder` a MovieLens release?")
