"""The file of what was found: a section a data set, protocol and model."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from engine.tables import files
from engine.tables.params import read_yaml
from stages.tune.settled import Value

HEAD = """# What `python -m stages.tune` found on validation, by data set, protocol and model.
# `@papers/tuned.yaml` among a command's key=value sets the `settings` of those that are chosen.
# Rewritten by that command: remarks are not kept.
"""


@dataclass(frozen=True)
class Best:
    """What a search has come to."""

    settings: dict[str, Value]
    value: float
    trials: int
    pruned: int = 0
    failed: int = 0
    seconds: float = 0.0
    ended_at_cap: bool = False
    seeds: int | None = None  # of those asked for, the first so many were used; None: all


def assignments(model: str, settings: dict[str, Value]) -> str:
    """Settings as a command takes them."""
    return " ".join(f"++models.{model}.{key}={_text(value)}" for key, value in settings.items())


def section(model: str, best: Best, reading: str, seeds: list[int], given: list[str]) -> dict[str, Any]:
    """What is kept of a search; its settings begin with those of the command's own that bear on the model."""
    own = ["++" + "".join(one.lstrip("+").split()) for one in given]
    bearing = [one for one in own if one.startswith((f"++models.{model}.", "++train."))]
    return {
        "settings": " ".join([*bearing, assignments(model, best.settings)]).strip(),
        "reading": reading,
        "best": round(best.value, 6),
        "trials": best.trials,
        "pruned": best.pruned,
        "failed": best.failed,
        "seeds": seeds,
        "seconds": round(best.seconds, 1),
        "ended_at_cap": best.ended_at_cap,
    }


def put(path: Path, place: tuple[str, str, str], found: dict[str, Any]) -> None:
    """Write a section into the file; the others stay as they are, also those that another process writes meanwhile."""
    dataset, protocol, model = place
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path.parent):
        every = known(path)
        every.setdefault(dataset, {}).setdefault(protocol, {})[model] = found
        ordered = {d: {p: dict(sorted(of.items())) for p, of in sorted(ps.items())} for d, ps in sorted(every.items())}
        yaml = YAML()
        yaml.default_flow_style = False
        yaml.width = 4096
        with files.whole(path) as temporary, temporary.open("w", encoding="utf-8") as file:
            file.write(HEAD)
            yaml.dump(ordered, file)


def known(path: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """What the file holds so far; nothing where it is not there, or has remarks alone.

    Raises:
        ValueError: it is no file of what was found.
    """
    if not path.exists() or (path.is_file() and not _told(path)):
        return {}
    found = read_yaml(path)
    for dataset, protocols in found.items():
        if not isinstance(protocols, dict) or not all(isinstance(of, dict) for of in protocols.values()):
            raise ValueError(f"{path}: {dataset} has no protocols with models: this is no file of what was found")
    return found


def _told(path: Path) -> bool:
    lines = path.read_text(encoding="utf-8").splitlines()
    return any(line.strip() and not line.strip().startswith("#") for line in lines)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Others who write there wait."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _text(value: Value) -> str:
    """A value as YAML 1.2 reads it back: the shortest of its digits."""
    return str(value).lower() if isinstance(value, bool) else repr(value) if isinstance(value, float) else str(value)
