"""The papers' figures of the cells that were run: `python -m stages.compare.paper_figures FIGURES CELLS OUT`."""

import argparse
import csv
import io
from pathlib import Path

from engine.tables import files
from engine.tables.command import command
from engine.tables.settings import checked
from stages.compare.charts import Chart, Series, bar_chart, line_chart
from stages.compare.figure_rows import Figure, Row, rows
from stages.compare.listed import parts
from stages.compare.plots import environment


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
    """Write a figure's CSV and an SVG a reading; what of it is not there: cells that were not run, readings that none
    of those that were has.
    """
    found = rows(figure, cells)
    if any(found.values()):
        files.write_text(as_csv(figure, found), out / f"{name}.csv")
    template = environment().get_template("figure.svg.j2")
    for reading, of in found.items():
        if of:
            drawn = chart(figure, reading, of)
            files.write_text(template.render(chart=drawn).strip() + "\n", out / f"{name}.{reading}.svg")
    named = [cell for of in figure.series.values() for cell in (of.values() if isinstance(of, dict) else [of])]
    absent = [cell for cell in dict.fromkeys(named) if not (cells / cell / "test.json").exists()]
    bare = [reading for reading, of in found.items() if not of] if len(absent) < len(set(named)) else []
    where = f" in {figure.table}" if figure.table else ""
    return [
        *([f"not run: {', '.join(absent)}"] if absent else []),
        *([f"no cell that was run has {', '.join(bare)}{where}"] if bare else []),
    ]


def main() -> None:
    """Draw all figures that can be, say which cells of each were not run, and end with those that were refused."""
    parser = argparse.ArgumentParser(prog="python -m stages.compare.paper_figures", description=__doc__)
    parser.add_argument("figures", type=Path, help="figures.yaml")
    parser.add_argument("cells", type=Path, help="the folder of what was run")
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with command("compare"):
        refused = []
        (listed,) = parts(given.figures, "figures")
        for name, section in listed.items():
            try:
                lacks = draw(name, checked(Figure, section, f"figures.{name}"), given.cells, given.out)
            except ValueError as error:
                refused.append(f"{given.figures}, {name}: {str(error).removeprefix('params.yaml: ')}")
            else:
                print(f"{name}: {'; '.join(lacks) or 'whole'}")
        if refused:
            raise ValueError("\n".join(refused))


if __name__ == "__main__":
    main()
