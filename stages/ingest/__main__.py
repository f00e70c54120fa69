"""Raw logs to coded events, users and items, with the texts and pictures that came with them."""

import importlib
import logging
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Any

import stages.ingest
from engine.params import Choice, Record, checked, run
from engine.store import write, write_shards
from engine.tables import CANDIDATES, CATALOG, EVENTS, IMAGES, ITEMS, ORACLE, TRUTH, USERS
from stages.ingest.coding import size
from stages.ingest.raw import Raw, Steps
from stages.ingest.steps import finish

log = logging.getLogger(__name__)


class Params(Record):
    """The dataset's section, whose `source` names the module that reads it, and the run's seed."""

    dataset: Choice
    seed: int


def main(
    params: Params,
    events: Path,
    users: Path,
    items: Path,
    catalog: Path,
    images: Path,
    candidates: Path,
    truth: Path,
    oracle: Path,
) -> None:
    """Read a dataset's raw logs (made here, MovieLens, your own) into coded tables.

    Bad rows are an error, or counted under the stated share; short histories, low ratings and duplicates go as the
    params say; ties in time are broken by a seeded hash. The counts lie in the metadata of the events.
    """
    raw, report = tables(params)
    write(raw.users, users, USERS)
    write(raw.items, items, ITEMS)
    write(raw.candidates, candidates, CANDIDATES)
    write(raw.truth, truth, TRUTH)
    write(raw.oracle, oracle, ORACLE)
    write(raw.catalog, catalog, CATALOG)
    report["pictures"] = write_shards(raw.images, images, IMAGES)
    write(raw.events, events, EVENTS, {"report": report})
    log.info("ingest: %s", ", ".join(f"{name} {count}" for name, count in report.items()))


def tables(params: Params) -> tuple[Raw, dict[str, Any]]:
    """The final tables and the report of the dataset that `params` names.

    Raises:
        ValueError: no such source, a wrong setting, or what the source found wrong.
    """
    module = source(params.dataset)
    settings = {name: value for name, value in params.dataset.settings.items() if name != "source"}
    record = checked(module.Settings, settings, f"datasets.{params.dataset.name}")
    if isinstance(record, Steps):
        return finish(module.read(record, params.seed), record, params.seed)
    raw: Raw = module.read(record, params.seed)
    if not raw.coded:
        raise ValueError(f"{module.__name__}: rows that are not coded need Settings(Steps)")
    return raw, {**raw.counts, **size(raw.events, raw.items.height)}


def source(dataset: Choice) -> ModuleType:
    """The module that reads a dataset, by import."""
    name = dataset.settings.get("source")
    there = [found.name for found in pkgutil.iter_modules(stages.ingest.__path__)]
    module = importlib.import_module(f"stages.ingest.{name}") if name in there and name != "__main__" else None
    if module is None or not hasattr(module, "Settings"):
        modules = {n: importlib.import_module(f"stages.ingest.{n}") for n in there if n != "__main__"}
        sources = sorted(n for n, m in modules.items() if hasattr(m, "Settings"))
        raise ValueError(f"params.yaml: datasets.{dataset.name}.source is {name!r}; there are {sources}")
    return module


if __name__ == "__main__":
    run(main)
