"""A cell of a benchmark's table: stages as a user starts them, what they left and what is kept, and the table."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.tables.command import refusals
from engine.tables.lacking import STATUS, Lacking

COSTS = (
    "epochs", "ended_at_cap", "seconds_an_epoch", "seconds_to_the_best", "seconds_training", "peak_gib", "parameters",
)  # fmt: skip


class StageFailedError(RuntimeError):
    """A stage ended with an error; with what was started and what it said."""


@contextmanager
def refused(name: str) -> Iterator[None]:
    """What a benchmark refuses, as a stage does; a stage that it started and that failed likewise."""
    with refusals(name, StageFailedError):
        yield


class Apart(argparse.Action):
    """Values of which none may stand twice: a seed that counts twice makes a spread and a p of nothing."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: Any = None) -> None:
        if twice := sorted({value for value in values if values.count(value) > 1}):
            parser.error(f"argument {option}: {', '.join(map(str, twice))} stands there twice")
        setattr(namespace, self.dest, values)


def count(text: str) -> int:
    """A number from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"a whole number from 0, found {text}")
    return int(text)


def section(model: str, params: dict[str, Any]) -> dict[str, Any]:
    """The model's section of params.yaml.

    Raises:
        ValueError: there is none; names those there are.
    """
    if "=" in model:
        raise ValueError(f"{model} is a setting and stands where models are named: settings come before --rivals")
    if model not in params["models"]:
        raise ValueError(f"params.yaml has no model {model!r}; there are {', '.join(params['models'])}")
    found: dict[str, Any] = params["models"][model]
    return found


def seen_by(protocol: str, params: dict[str, Any]) -> Any:
    """Whether the protocol ranks what was had before.

    Raises:
        ValueError: there is no such protocol; names those there are.
    """
    if protocol not in params["protocols"]:
        raise ValueError(f"params.yaml has no protocol {protocol!r}; there are {', '.join(params['protocols'])}")
    return params["protocols"][protocol].get("seen", "excluded")


def earlier(kept: Path, asked: dict[str, Any]) -> dict[str, Any] | None:
    """The row that an earlier run kept, where it was made of what is asked now; None where it has to be made."""
    if not kept.exists():
        return None
    try:
        found: dict[str, Any] = json.loads(kept.read_text())
    except ValueError as error:
        print(f"{kept}: no whole row ({error}); it is made anew", file=sys.stderr)
        return None
    return found if asked.items() <= found.items() else None


def command(stage: str, data: Path, protocol: str, params: list[str], threads: int, cell: Path | None = None) -> None:
    """One stage, as a user starts it; with a cell, what it learns and reads lies there.

    Raises:
        Lacking: the data has not what the model needs; as the stage says it.
        StageFailedError: it failed; with what was started and what it said.
    """
    apart = ["--results", str(cell), "--readings", str(cell / "metrics")] if cell else ["--readings", str(data)]
    words = [sys.executable, "-m", f"stages.{stage}", str(data), "--protocol", protocol, *apart, *params]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    found = subprocess.run(words, env=environment, capture_output=True, text=True)
    if found.returncode == STATUS:
        raise Lacking(next(line for line in found.stderr.splitlines() if line.startswith(f"{stage}: ")))
    if found.returncode:
        raise StageFailedError(f"{' '.join(words)}\n{found.stdout}{found.stderr}")


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
