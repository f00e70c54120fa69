"""What a figure of a paper shows, and its rows from the cells that were run."""

import csv
import io
import math
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field, model_validator

from engine.measures.rating import rmse
from engine.tables import store
from engine.tables.schemas import ERRORS
from engine.tables.settings import Record
from stages.compare.listed import kept

COLOURS = 10  # series that have a colour of their own
MINIMUM = (3, 10, 20, 30, 50, 100)  # events of history (IARN, section 4.2)
Row = tuple[str, str, float]  # series, x, value


class Figure(Record):
    """What a figure shows: readings of cells side by side; of cells over a setting (`x`); or a table of each cell over
    one of its columns (`table` and `x`).
    """

    title: str = Field(description="what stands above it")
    readings: tuple[str, ...] = Field(min_length=1, description="a chart each: of test.json, cost.json, or columns")
    x: str = Field("", description="what lies along: a setting's name, or a column of the table")
    table: str = Field("", description="a file of each cell, from its folder")
    series: dict[str, str | dict[str, str]] = Field(
        min_length=1, max_length=30, description="each with its cell, or with a cell for each value of x"
    )

    @model_validator(mode="after")
    def _can_be_told_apart(self) -> "Figure":
        if self.x and len(self.series) > COLOURS:
            raise ValueError(f"{len(self.series)} series over {self.x}; at most {COLOURS} can be told apart")
        return self

    @property
    def swept(self) -> bool:
        return bool(self.x and not self.table)


def rows(figure: Figure, cells: Path) -> dict[str, list[Row]]:
    """reading → rows of the cells that were run; one that has no such reading has no row.

    Raises:
        ValueError: a table lacks a column.
    """
    found: dict[str, list[Row]] = {reading: [] for reading in figure.readings}
    for series, of in figure.series.items():
        for x, cell in of.items() if isinstance(of, dict) else [("", of)]:
            folder = cells / cell
            if figure.table:
                _add(found, series, figure, folder / figure.table)
                continue
            readings = _readings(folder)
            for name in figure.readings:
                if readings.get(name) is not None:
                    found[name].append((series, str(x) if figure.swept else series, float(readings[name])))
    return found


def _readings(folder: Path) -> dict[str, Any]:
    """All that is measured of a cell; empty where it was not run."""
    names = ("test_more.json", "cost.json", "test.json")
    found: dict[str, Any] = {}
    for path in (folder / name for name in names):
        found |= kept(path) if path.exists() else {}
    if (took := folder / "prediction.json").exists():
        found["seconds_predicting"] = kept(took).get("seconds")
    return found if (folder / "test.json").exists() else {}


def _add(found: dict[str, list[Row]], series: str, figure: Figure, path: Path) -> None:
    lines = _lines(path) if path.exists() else []
    if lines and not {figure.x, *figure.readings} <= lines[0].keys():
        wanted = ", ".join((figure.x, *figure.readings))
        raise ValueError(f"{path} has the columns {', '.join(lines[0])}; the figure draws {wanted}")
    try:
        for name in figure.readings:
            told = [(series, line[figure.x], float(line[name])) for line in lines if line[figure.x] and line[name]]
            found[name] += [row for row in told if math.isfinite(row[2])]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _lines(path: Path) -> list[dict[str, str]]:
    """A CSV's; of a table of errors RMSE where people have at least so many events before."""
    if path.suffix == ".csv":
        return list(csv.DictReader(io.StringIO(path.read_text())))
    errors = store.read(path, ERRORS)
    kept = {least: errors.filter(pl.col("position") >= least)["squared"] for least in MINIMUM}
    return [{"history": str(n), "rmse": f"{rmse(squared)}"} for n, squared in kept.items() if len(squared)]
