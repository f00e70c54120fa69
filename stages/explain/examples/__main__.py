"""The papers' examples of single people: `python -m stages.explain.examples papers papers/examples`."""

import argparse
import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.tables import files
from engine.tables.command import command
from engine.tables.lacking import Lacking
from engine.tables.params import read_yaml
from engine.training.fit import accelerator
from stages.explain.examples.cells import cells_of
from stages.explain.examples.drawing import draw
from stages.explain.examples.people import chosen_cases
from stages.explain.examples.rows import Act, Told, told_of
from stages.explain.examples.settings import Example


def as_csv(example: Example, told: Sequence[Told]) -> str:
    """A line an act: whose and before which item, a column for what each cell says of the item and of the act."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    stood = [f"{series} {what}" for series in example.series for what in ("rank", "score")]
    keys = [(series, name) for series, shown in example.series.items() for name in shown.weights]
    about = ["person", "item", "title", "of", "act", "when", "what", "rating"]
    writer.writerow([*about, *stood, *(" ".join(key) for key in keys)])

    def line(one: Told, of: str, act: Act) -> list[Any]:
        stands = [f"{value:.6g}" for stand in one.stands.values() for value in (stand.rank, stand.score)]
        weights = [f"{act.weights[key]:.6g}" if key in act.weights else "" for key in keys]
        rating = "" if act.rating is None else f"{act.rating:g}"
        when = "" if act.when is None else f"{act.when:%Y-%m-%d %H:%M}"
        return [one.person, one.item, one.title, of, act.place + 1, when, act.name, rating, *stands, *weights]

    for one in told:
        writer.writerows([line(one, "person", act) for act in one.acts])
        writer.writerows([line(one, "item", act) for act in one.others])
    return text.getvalue()


def make(name: str, example: Example, papers: Path, out: Path) -> list[str]:
    """Write an example's CSV and an SVG a person; the names of its cells that were not run. Where the first of them was
    not, nothing is written, as it chooses the people.

    Raises:
        ValueError: the example cannot be of these people or cells; says what would do.
    """
    listed, params = read_yaml(papers / "cells.yaml"), read_yaml(papers.parent / "params.yaml")
    cells = cells_of(example, listed, params, papers)
    absent = [cell.name for cell in cells.values() if not cell.ran]
    first = next(iter(cells.values()))
    if first.ran:
        there = {series: cell for series, cell in cells.items() if cell.ran}
        kept = example.model_copy(update={"series": {series: example.series[series] for series in there}})
        cases = chosen_cases(example, first, listed["seed"])
        people = list(told_of(kept, there, cases, accelerator(params["device"])))
        files.write_text(as_csv(kept, [one for told in people for one in told]), out / f"{name}.csv")
        for number, told in enumerate(people, 1):
            files.write_text(draw(kept, told), out / f"{name}.{number}.svg")
    return absent


def main() -> None:
    """Make all examples that can be, say which cells of each were not run, and end with those that were refused."""
    parser = argparse.ArgumentParser(prog="python -m stages.explain.examples", description=__doc__)
    parser.add_argument("papers", type=Path, help="the folder of figures.yaml, cells.yaml and the cells that were run")
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with command("explain"):
        refused = []
        listed = read_yaml(given.papers / "figures.yaml").get("examples")
        if not isinstance(listed, dict):
            raise ValueError(f"{given.papers / 'figures.yaml'} has no part 'examples'")
        for name, section in listed.items():
            try:
                absent = make(name, Example.model_validate(section), given.papers, given.out)
            except (ValueError, OSError, Lacking) as error:
                why = error.args[0] if isinstance(error, Lacking) else error
                refused.append(f"figures.yaml, examples.{name}: {why}")
            else:
                print(f"{name}: {'not run: ' + ', '.join(absent) if absent else 'whole'}")
        if refused:
            raise ValueError("\n".join(refused))


if __name__ == "__main__":
    main()
