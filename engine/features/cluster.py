"""Parts of a table through Ray Data's `map_batches`: actors that hold a reader each, on any cluster."""

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from engine.features.parts import Part, Plan, Slice, loaded
from engine.tables.schema import Table

_ENGINE = Path(__file__).parents[1]


class Actor:
    """A reader in a process of its own; a row asked of it is the number of a part."""

    def __init__(self, plan: Plan, pieces: dict[int, Slice], table: Table, columns: list[str]):
        self.pieces, self.table, self.columns = pieces, table, columns
        self.reader = ExitStack().enter_context(loaded(plan))  # until the process ends

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, Any]:
        said = np.empty(len(batch["number"]), object)
        for i, number in enumerate(batch["number"]):
            frame = self.pieces[int(number)].read(self.table, self.columns)
            said[i] = self.reader.read(self.reader.prepare(frame))
        return {"number": batch["number"], "part": said}


def through(plan: Plan, todo: list[tuple[int, Slice]], table: Table, columns: list[str]) -> Iterator[tuple[int, Part]]:
    """Parts as they come, in any order; with no address, on a cluster of `workers` processes that is started here.

    Raises:
        ValueError: Ray is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise ValueError("engine ray: Ray is not installed; pip install -r requirements.txt") from None
    workers, address = plan.engine.workers, plan.engine.address
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address:
        ray.init(address=address, runtime_env={"py_modules": [str(_ENGINE)]}, **quiet)
    else:
        ray.init(num_cpus=workers + 1, include_dashboard=False,
                 runtime_env={"env_vars": {"PYTHONPATH": str(_ENGINE.parent)}}, **quiet)  # fmt: skip
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        rows = ray.data.from_items([{"number": number} for number, _ in todo], override_num_blocks=len(todo))
        read = rows.map_batches(
            Actor,
            fn_constructor_args=(plan, dict(todo), table, columns),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=workers),
            num_cpus=1,
            num_gpus=1 if plan.accelerated else 0,
        )
        for row in read.iter_rows():
            yield int(row["number"]), row["part"]
    finally:
        ray.shutdown()
