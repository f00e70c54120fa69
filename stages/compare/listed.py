"""What a hand-written file lists and a cell's own files hold, or a line that says what of it is not there."""

import json
from pathlib import Path
from typing import Any

from engine.tables.params import read_yaml

ONLY_FIGURES = "figures"  # `shown` of a cell that is in no table
KEYS = ("paper", "protocol", "model", "settings")  # that every cell has


def parts(path: Path, *names: str) -> list[Any]:
    """The named parts of a YAML file.

    Raises:
        ValueError: one is not there; names those that are.
    """
    found = read_yaml(path)
    for name in names:
        if not isinstance(found.get(name), dict):
            raise ValueError(f"{path} has no part {name!r}; it has {', '.join(map(str, found)) or 'nothing'}")
    return [found[name] for name in names]


def refuse_unfinished(cells: dict[str, Any]) -> None:
    """Raises ValueError where a cell lacks what every cell has; says which."""
    for name, cell in cells.items():
        if lacks := [key for key in KEYS if not isinstance(cell, dict) or key not in cell]:
            raise ValueError(f"{name}: a cell has {', '.join(KEYS)}; it lacks {', '.join(lacks)}")


def papers(listed: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """The cells of each paper's table."""
    found: dict[str, list[str]] = {}
    for name, cell in listed.items():
        if cell.get("shown") != ONLY_FIGURES:
            found.setdefault(cell["paper"], []).append(name)
    return found


def kept(path: Path) -> dict[str, Any]:
    """A JSON file of a cell.

    Raises:
        ValueError: it is not there or not whole; says what writes it anew.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError) as error:
        raise ValueError(f"{path} is not whole ({error}); `dvc repro --force` of its cell writes it anew") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path}: expected readings by name, found {type(found).__name__}")
    return found
