"""What a hand-written file lists and a cell's own files hold, or a line that says what of it is not there."""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from engine.tables.params import read_yaml
from engine.tables.settings import Record, checked

ONLY_FIGURES = "figures"  # `shown` of a cell that is in no table


class Cell(Record):
    """A row of a paper's table."""

    paper: str = Field(description="whose table it is in")
    protocol: str = Field(description="by which it is trained and ranked")
    model: str = Field(description="whose row it is")
    settings: str = Field(description="overrides that make it that row")
    base: str = Field("", description="overrides that it shares with others")
    published: dict[str, float] = Field({}, description="what the paper prints, by reading")
    published_on: str = Field("", description="on which data, where not on the paper's usual")
    ours: bool = Field(False, description="whether it is a form of the paper's system that the paper has not")
    shown: Literal["figures", "everywhere"] = Field("everywhere", description="figures: in no table")


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


def made_of(path: Path) -> dict[str, Any]:
    """What all cells of a file are made of, by column: the data set, what is in it, the seeds.

    Raises:
        ValueError: the file names one of them not.
    """
    found = read_yaml(path)
    if absent := [name for name in ("dataset", "content", "seed") if name not in found]:
        raise ValueError(f"{path} does not say {', '.join(absent)}: what its cells are made of")
    return {"dataset": found["dataset"], "content": found["content"], "seeds": found["seed"]}


def refuse_wrong(cells: dict[str, Any]) -> None:
    """Raises ValueError where a cell lacks what every cell has, or has what none has; says which."""
    for name, cell in cells.items():
        try:
            checked(Cell, cell, f"cells.{name}")
        except ValueError as error:
            raise ValueError(str(error).removeprefix("params.yaml: ")) from None


def refuse_wrong_metrics(paper: str, metrics: dict[str, Any]) -> None:
    """Raises ValueError where a paper has no list of metrics; says what would do."""
    if paper not in metrics:
        raise ValueError(f"metrics: none for {paper}, found {', '.join(metrics)}; e.g. {paper}: [ndcg@10] would do")
    found = metrics[paper]
    if not (isinstance(found, list) and found and all(isinstance(one, str) for one in found)):
        raise ValueError(f"metrics: {paper} is {found!r}, expected a list of some; e.g. {paper}: [ndcg@10] would do")


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
    if wrong := [key for key, value in found.items() if not isinstance(value, int | float | None)]:
        raise ValueError(f"{path}: expected numbers by name, {wrong[0]} is {found[wrong[0]]!r}")
    return found
