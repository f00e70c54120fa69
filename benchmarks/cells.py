"""A cell of a benchmark's table: stages as a user starts them, what they left, and the table."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from engine.tables.lacking import STATUS, Lacking

COSTS = (
    "epochs", "ended_at_cap", "seconds_an_epoch", "seconds_to_the_best", "seconds_training", "peak_gib", "parameters",
)  # fmt: skip


def command(stage: str, data: Path, protocol: str, params: list[str], threads: int, cell: Path | None = None) -> None:
    """One stage, as a user starts it; with a cell, what it learns and reads lies there.

    Raises:
        Lacking: the data has not what the model needs; as the stage says it.
        RuntimeError: it failed; with what was started and what it said.
    """
    apart = ["--results", str(cell), "--readings", str(cell / "metrics")] if cell else ["--readings", str(data)]
    words = [sys.executable, "-m", f"stages.{stage}", str(data), "--protocol", protocol, *apart, *params]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    found = subprocess.run(words, env=environment, capture_output=True, text=True)
    if found.returncode == STATUS:
        raise Lacking(next(line for line in found.stderr.splitlines() if line.startswith(f"{stage}: ")))
    if found.returncode:
        raise RuntimeError(f"{' '.join(words)}\n{found.stdout}{found.stderr}")


def metrics(cell: Path, name: str) -> dict[str, Any]:
    """The cell's metrics/<name>.json."""
    found: dict[str, Any] = json.loads((cell / "metrics" / f"{name}.json").read_text())
    return found


def costs(cell: Path) -> dict[str, Any]:
    """What the cell's training took."""
    cost = metrics(cell, "cost")
    return {key: cost[key] for key in COSTS}


def markdown(lines: list[list[str]]) -> str:
    """A table: the first line is its head, and shorter ones are filled."""
    width = len(lines[0])
    filled = [line + [""] * (width - len(line)) for line in (lines[0], ["---"] * width, *lines[1:])]
    return "\n".join(f"| {' | '.join(line)} |" for line in filled)
