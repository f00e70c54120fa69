"""The papers' figures of the cells that were run: `python -m stages.compare.paper_figures FIGURES CELLS OUT`."""

import argparse
import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field, model_validator

from engine.measures.rating import rmse
from engine.tables import files, store
from engine.tables.params import read_yaml
from engine.tables.schemas import ERRORS
from engine.tables.settings import Record
from stages.compare.charts import Chart, Series, bar_chart, line_chart
from stages.compare.plots import environment

COLOURS = 5  # series that have a colour of their own
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
                if name in readings:
                    found[name].append((series, str(x) if figure.swept else series, float(readings[name])))
    return found


def _readings(folder: Path) -> dict[str, Any]:
    """All that is measured of a cell; empty where it was not run."""
    names = ("test_more.json", "cost.json", "test.json")
    found: dict[str, Any] = {}
    for path in (folder / name for name in names):
        found |= json.loads(path.read_text()) if path.exists() else {}
    if (took := folder / "prediction.json").exists():
        found["seconds_predicting"] = json.loads(took.read_text())["seconds"]
    return found if (folder / "test.json").exists() else {}


def _add(found: dict[str, list[Row]], series: str, figure: Figure, path: Path) -> None:
    lines = _lines(path) if path.exists() else []
    if lines and not {figure.x, *figure.readings} <= lines[0].keys():
        wanted = ", ".join((figure.x, *figure.readings))
        raise ValueError(f"{path} has the columns {', '.join(lines[0])}; the figure draws {wanted}")
    for name in figure.readings:
        found[name] += [(series, line[figure.x], float(line[name])) for line in lines if line[name]]


def _lines(path: Path) -> list[dict[str, str]]:
    """A CSV's; of a table of errors RMSE where people have at least so many events before."""
    if path.suffix == ".csv":
        return list(csv.DictReader(io.StringIO(path.read_text())))
    errors = store.read(path, ERRORS)
    kept = {least: errors.filter(pl.col("position") >= least)["squared"] for least in MINIMUM}
    return [{"history": str(n), "rmse": f"{rmse(squared)}"} for n, squared in kept.items() if len(squared)]


def chart(figure: Figure, reading: str, found: list[Row]) -> Chart:
    """Lines where x is a number, else bars: of cells side by side one series, of tables one a cell."""
    title = f"{figure.title}: {reading.replace('_', ' ')}"
    if not figure.x:
        return bar_chart(title, ("", reading), [Series(reading, [(x, value) for _, x, value in found])])
    series = [
        Series(name, [(x, value) for own, x, value in found if own == name])
        for name in dict.fromkeys(own for own, *_ in found)
    ]
    if all(_number(x) for _, x, _ in found):
        return line_chart(title, (figure.x, reading), series, dates=False)
    return bar_chart(title, (figure.x, reading), series)


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def as_csv(figure: Figure, found: dict[str, list[Row]]) -> str:
    """A line a series and x, a column a reading."""
    keys = dict.fromkeys((series, x) for of in found.values() for series, x, _ in of)
    values = {(reading, series, x): value for reading, of in found.items() for series, x, value in of}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["series", *([figure.x] if figure.x else []), *figure.readings])
    for series, x in keys:
        told = [values.get((reading, series, x)) for reading in figure.readings]
        shown = ["" if value is None else f"{value:.6g}" for value in told]
        writer.writerow([series, *([x] if figure.x else []), *shown])
    return text.getvalue()


def draw(name: str, figure: Figure, cells: Path, out: Path) -> list[str]:
    """Write a figure's CSV and an SVG a reading; the names of its cells that were not run."""
    found = rows(figure, cells)
    if any(found.values()):
        files.write_text(as_csv(figure, found), out / f"{name}.csv")
    template = environment().get_template("figure.svg.j2")
    for reading, of in found.items():
        if of:
            drawn = chart(figure, reading, of)
            files.write_text(template.render(chart=drawn).strip() + "\n", out / f"{name}.{reading}.svg")
    named = [cell for of in figure.series.values() for cell in (of.values() if isinstance(of, dict) else [of])]
    return [cell for cell in dict.fromkeys(named) if not (cells / cell / "test.json").exists()]


def main() -> None:
    """Draw all figures, and say which cells of each were not run."""
    parser = argparse.ArgumentParser(prog="python -m stages.compare.paper_figures", description=__doc__)
    parser.add_argument("figures", type=Path, help="figures.yaml")
    parser.add_argument("cells", type=Path, help="the folder of what was run")
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    try:
        for name, section in read_yaml(given.figures)["figures"].items():
            absent = draw(name, Figure.model_validate(section), given.cells, given.out)
            print(f"{name}: {'not run: ' + ', '.join(absent) if absent else 'whole'}")
    except ValueError as error:
        sys.exit(f"compare: {error}")


if __name__ == "__main__":
    main()
