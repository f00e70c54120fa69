"""The papers' cells as models that can be asked: their settings, and where their weights and ranks lie."""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.tables.layout import Layout
from engine.tables.params import lookup, override
from engine.tables.settings import Choice
from engine.training.cases import Seen
from stages.explain.examples.settings import Example


@dataclass(frozen=True)
class Cell:
    """`choice`: the model with the cell's settings; `seen`: whether what was had is left out of rankings."""

    name: str
    choice: Choice
    layout: Layout
    seen: Seen

    @property
    def ran(self) -> bool:
        """Whether a model was kept, and its ranks."""
        return self.layout.weights.exists() and self.layout.ranks.exists()


def cells_of(example: Example, listed: dict[str, Any], params: dict[str, Any], papers: Path) -> dict[str, Cell]:
    """The cells of an example by series. `listed`: cells.yaml; `papers`: its folder, in which cells were run.

    Raises:
        ValueError: a cell is not listed, or they are of several protocols, whose cases are not the same.
    """
    found = {}
    for series, shown in example.series.items():
        if shown.cell not in listed["cells"]:
            raise ValueError(f"{series}: cells.yaml has no cell {shown.cell!r}; it has e.g. {min(listed['cells'])!r}")
        found[series] = _cell(shown.cell, listed, params, papers)
    protocols = sorted({cell.layout.protocol for cell in found.values()})
    if len(protocols) > 1:
        raise ValueError(f"its cells are of {', '.join(protocols)}, which have other cases; cells of one would do")
    return found


def _cell(name: str, listed: dict[str, Any], params: dict[str, Any], papers: Path) -> Cell:
    cell, own = listed["cells"][name], deepcopy(params)
    model, protocol, dataset = cell["model"], cell["protocol"], listed["dataset"]
    for assignment in (*cell["base"].split(), *cell["settings"].split()):
        override(own, assignment)
    folder = papers / "cells" / name
    layout = Layout(papers.parent / "data" / dataset, protocol, papers / "data" / dataset / protocol, folder, folder)
    seen: Seen = lookup(own, f"protocols.{protocol}.seen")
    return Cell(name, Choice(name=model, settings=lookup(own, f"models.{model}")), layout, seen)
