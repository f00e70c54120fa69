"""Slices of a table through Ray Data's `map_batches`: actors that hold an extractor each, on any cluster."""

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from engine.features.extractor import Extracted, ExtractorFactory, TableSlice, loaded
from engine.tables.schema import Table

_ENGINE = Path(__file__).parents[1]


class Actor:
    """An extractor in a process of its own; a row asked of it is the number of a slice."""

    def __init__(self, factory: ExtractorFactory, slices: dict[int, TableSlice], table: Table, columns: list[str]):
        self.slices, self.table, self.columns = slices, table, columns
        self.extractor = ExitStack().enter_context(loaded(factory))  # until the process ends

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, Any]:
        extracted = np.empty(len(batch["number"]), object)
        for i, number in enumerate(batch["number"]):
            frame = self.slices[int(number)].read(self.table, self.columns)
            extracted[i] = self.extractor.extract(self.extractor.prepare(frame))
        return {"number": batch["number"], "extracted": extracted}


def extract_on_ray(
    factory: ExtractorFactory, todo: list[tuple[int, TableSlice]], table: Table, columns: list[str]
) -> Iterator[tuple[int, Extracted]]:
    """What was extracted of each numbered slice, in any order; with no address, on a cluster of `workers` processes
    that is started here.

    Raises:
        ValueError: Ray is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise ValueError("engine ray: Ray is not installed; pip install -r requirements.txt") from None
    workers, address = factory.execution.workers, factory.execution.address
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address:
        ray.init(address=address, runtime_env={"py_modules": [str(_ENGINE)]}, **quiet)
    else:
        ray.init(num_cpus=workers + 1, include_dashboard=False,
                 runtime_env={"env_vars": {"PYTHONPATH": str(_ENGINE.parent)}}, **quiet)  # fmt: skip
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        rows = ray.data.from_items([{"number": number} for number, _ in todo], override_num_blocks=len(todo))
        done = rows.map_batches(
            Actor,
            fn_constructor_args=(factory, dict(todo), table, columns),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=workers),
            num_cpus=1,
            num_gpus=1 if factory.accelerated else 0,
        )
        for row in done.iter_rows():
            yield int(row["number"]), row["extracted"]
    finally:
        ray.shutdown()
