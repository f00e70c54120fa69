"""The charts of metrics/plots as one page without a script: `python -m stages.compare.plots [revision …]`."""

import argparse
import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.console import Console

from engine.tables import files
from engine.tables.command import refusals
from engine.tables.params import read_yaml
from stages.compare.charts import Chart, Series, bar_chart, line_chart
from stages.compare.revision_files import WORKSPACE, RevisionFiles

PAGE = Path("metrics", "plots.html")
MOST = 5  # revisions that have a colour of their own


def declared_plots(pipeline: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The plots of all stages of a dvc.yaml: path → title, template, x, y.

    Raises:
        ValueError: there are no stages, or a plot has no x or y.
    """
    stages = pipeline.get("stages")
    if not isinstance(stages, dict) or not all(isinstance(stage, dict) for stage in stages.values()):
        raise ValueError("dvc.yaml: `stages` is to name stages, each with its own lines; the committed file does")
    found: dict[str, dict[str, Any]] = {}
    for stage in stages.values():
        for entry in stage.get("plots") or []:
            found |= entry if isinstance(entry, dict) else {}
    for path, about in found.items():
        if not isinstance(about, dict) or not {"x", "y"} <= about.keys():
            raise ValueError(f"dvc.yaml: the plot {path} needs an x and a y, the columns that are drawn")
    return found


def chart(path: str, about: dict[str, Any], tables: dict[str, str]) -> Chart | None:
    """One plot as dvc.yaml describes it, of the CSVs of some revisions; None where none of them has a row."""
    bars = str(about.get("template", "")).startswith("bar")
    x, y = (about["y"], about["x"]) if bars else (about["x"], about["y"])
    series = [Series(revision, _rows(path, text, x, y)) for revision, text in tables.items()]
    series = [one for one in series if one.rows]
    if not series:
        return None
    title = str(about.get("title", path))
    if bars:
        return bar_chart(title, (x, y), series)
    try:
        return line_chart(title, (x, y), series, dates=about.get("template") == "time_line")
    except ValueError as error:
        raise ValueError(f"{path}: {x}: {error}") from None


def _rows(path: str, text: str, x: str, y: str) -> list[tuple[str, float]]:
    """Those with a place and a finite value; a cut line, or topics of data without times, lack one of the two."""
    rows = list(csv.DictReader(io.StringIO(text)))
    if rows and not {x, y} <= rows[0].keys():
        raise ValueError(f"{path} has the columns {', '.join(rows[0])}; dvc.yaml draws {y} over {x}")
    try:
        return [(row[x], float(row[y])) for row in rows if row[x] and row[y] and math.isfinite(float(row[y]))]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def environment() -> Environment:
    """Of the templates of charts; every text is escaped."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(charts: Sequence[Chart], revisions: Sequence[str]) -> str:
    """The page."""
    return environment().get_template("plots.html.j2").render(charts=charts, revisions=revisions).strip() + "\n"


def read_tables(revisions: Sequence[str], repo: Path) -> dict[str, dict[str, str]]:
    """The CSVs of each plot that dvc.yaml declares: path → revision → text; a revision without one is left out."""
    tables: dict[str, dict[str, str]] = {path: {} for path in declared_plots(read_yaml(repo / "dvc.yaml"))}
    for revision in revisions:
        files_of = None if revision == WORKSPACE else RevisionFiles(revision, repo)
        for path, found in tables.items():
            text = files_of.find(path) if files_of else _here(repo / path)
            if text is not None:
                found[revision] = text
    return tables


def _here(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def main() -> None:
    """Write metrics/plots.html and say where it lies."""
    parser = argparse.ArgumentParser(prog="python -m stages.compare.plots", description=__doc__)
    parser.add_argument("revisions", nargs="*", default=[WORKSPACE], help=f"branches, tags, commits, or {WORKSPACE}")
    parser.add_argument("--repo", type=Path, default=Path("."), help="where the project lies")
    given = parser.parse_args()
    revisions = list(dict.fromkeys(given.revisions))
    with refusals("plots"):
        if len(revisions) > MOST:
            raise ValueError(f"{len(revisions)} revisions; at most {MOST} can be told apart in a chart")
        about, tables = declared_plots(read_yaml(given.repo / "dvc.yaml")), read_tables(revisions, given.repo)
        charts = [chart(path, about[path], found) for path, found in tables.items()]
        if not any(charts):
            raise ValueError(f"{' and '.join(revisions)}: nothing to draw; `dvc repro` makes {', '.join(tables)}")
        page = given.repo / PAGE
        files.write_text(render([one for one in charts if one], revisions), page)
    Console(soft_wrap=True, markup=False).print(f"charts: {page.resolve().as_uri()}")


if __name__ == "__main__":
    main()
