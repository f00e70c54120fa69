"""Raw logs to coded events, users and items, with the texts and pictures that came with them."""

import importlib
import logging
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Any

from engine.tables.command import run
from engine.tables.layout import Layout
from engine.tables.schemas import CANDIDATES, CATALOG, EVENTS, IMAGES, ITEMS, ORACLE, TRUTH, USERS
from engine.tables.settings import Choice, Record, Seed, checked
from engine.tables.store import write, write_shards
from stages.ingest import sources
from stages.ingest.reading import item_table
from stages.ingest.shaping.coded_tables import log_statistics
from stages.ingest.shaping.filters import finish
from stages.ingest.shaping.source_tables import ShapingSettings, SourceTables

log = logging.getLogger(__name__)


class Params(Record):
    """The dataset's section, whose `source` names the module that reads it, and the run's seed."""

    dataset: Choice
    seed: Seed


def main(params: Params, layout: Layout) -> None:
    """Read a dataset's raw logs (made here, MovieLens, your own) into coded tables.

    Bad rows are an error, or counted under the stated share; short histories, low ratings and duplicates go as the
    params say; ties in time are broken by a seeded hash. The counts lie in the metadata of the events.
    """
    raw, report = tables(params)
    report["pictures"] = write_shards(raw.images, layout.given_images, IMAGES)  # may fail: before a table is replaced
    write(raw.users, layout.users, USERS)
    write(raw.items, layout.items, ITEMS)
    write(raw.candidates, layout.given_candidates, CANDIDATES)
    write(raw.truth, layout.truth, TRUTH)
    write(raw.oracle, layout.oracle, ORACLE)
    write(raw.catalog, layout.given_catalog, CATALOG)
    write(raw.events, layout.events, EVENTS, {"report": report})
    log.info("ingest: %s", ", ".join(f"{name} {count}" for name, count in report.items()))


def tables(params: Params) -> tuple[SourceTables, dict[str, Any]]:
    """The final tables and the report of the dataset that `params` names.

    Raises:
        ValueError: no such source, a wrong setting, or what the source found wrong.
    """
    module = source(params.dataset)
    found = settings(params)
    if isinstance(found, ShapingSettings):
        return finish(module.read(found, params.seed), found, params.seed)
    raw: SourceTables = module.read(found, params.seed)
    if not raw.coded:
        raise ValueError(f"{module.__name__}: rows that are not coded need Settings(ShapingSettings)")
    return raw, {**raw.counts, **log_statistics(raw.events, raw.items.height)}


def record(dataset: Choice) -> type[Record]:
    """The class that checks a data set's section: its source's."""
    found: type[Record] = source(dataset).Settings
    return found


def settings(params: Params) -> Record:
    """The section of the data set, checked."""
    found = {name: value for name, value in params.dataset.settings.items() if name != "source"}
    return checked(record(params.dataset), found, f"datasets.{params.dataset.name}")


def raw_files(params: Params) -> list[Path]:
    """The raw files that the data set names."""
    found: list[Path] = source(params.dataset).files(settings(params))
    return found


def pictures(params: Params) -> dict[str, Path]:
    """The picture files that the data set's own tables name and that are there, by the paths that name them."""
    found = settings(params)
    return item_table.pictures(found) if isinstance(found, item_table.ItemTable) else {}


def source(dataset: Choice) -> ModuleType:
    """The module under `sources/` that reads a dataset, by import; a folder's is its `source`."""
    found = {
        m.name: f"{sources.__name__}.{m.name}" + ".source" * m.ispkg for m in pkgutil.iter_modules(sources.__path__)
    }
    name = dataset.settings.get("source")
    if not isinstance(name, str) or name not in found:
        raise ValueError(f"params.yaml: datasets.{dataset.name}.source is {name!r}; there are {sorted(found)}")
    return importlib.import_module(found[name])


if __name__ == "__main__":
    run(main)
