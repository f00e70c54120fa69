"""The papers' cells side by side: `python -m stages.compare.paper_tables papers/cells.yaml papers/cells OUT`."""

import argparse
from pathlib import Path
from typing import Any

from engine.tables import files
from engine.tables.command import command
from stages.compare.listed import kept, made_of, papers, parts, refuse_wrong, refuse_wrong_metrics
from stages.compare.paper_tests import against
from stages.compare.printed_table import as_csv, markdown

COST = {
    "epochs": "epochs", "seconds": "seconds_training", "seconds_an_epoch": "seconds_an_epoch", "peak_gib": "peak_gib",
    "ended_at_cap": "ended_at_cap",
}  # fmt: skip


def tables(
    listed: dict[str, dict[str, Any]],
    cells: Path,
    metrics: dict[str, list[str]],
    published_on: dict[str, str],
    made: dict[str, Any],
) -> dict[str, str]:
    """A CSV a paper: each of its cells that was run, what it is `made` of, what the paper prints of it and on which
    data, and how the paper's metrics differ from the first cell's, Holm over all of them. A cell that ended at its last
    epoch has not had what the others had: it is marked and enters no test, and where it is the first, or the first was
    not run, nothing is tested.

    Raises:
        ValueError: a cell ranked other cases than the first of its paper, or no metric is named for a paper.
    """
    refuse_wrong(listed)
    found = {}
    for paper, names in papers(listed).items():
        there = [name for name in names if (cells / name / "test.json").exists()]
        if there:
            refuse_wrong_metrics(paper, metrics)
            rows = [_row(name, listed[name], cells, published_on.get(paper, "")) | made for name in there]
            tested = there[0] == names[0]
            verdicts = {metric: against(rows, cells, metric, tested) for metric in metrics[paper]}
            found[paper] = as_csv(rows, verdicts)
    return found


def _row(name: str, cell: dict[str, Any], cells: Path, published_on: str) -> dict[str, Any]:
    cost = kept(cells / name / "cost.json")
    about = {"cell": name, "protocol": cell["protocol"], "model": cell["model"], "settings": cell["settings"]}
    readings = [kept(cells / name / "test.json")]
    if (more := cells / name / "test_more.json").exists():
        readings.append(kept(more))
    if cell.get("ours"):
        about["ours"] = 1
    run = {"base": cell.get("base", ""), "command": f"{_repro(cells)} cell@{name}"}
    published = {f"published_{reading}": value for reading, value in (cell.get("published") or {}).items()}
    if published:
        published["published_on"] = cell.get("published_on", published_on)
    costs = {name: cost.get(key) for name, key in COST.items()}
    return about | {k: v for some in readings for k, v in some.items()} | costs | published | run


def _repro(cells: Path) -> str:
    """What runs a cell anew, before its name."""
    return f"dvc --cd {cells.parent} repro"


def main() -> None:
    """Write a CSV a paper and print them, say where nothing is tested, and end with the papers that were refused."""
    parser = argparse.ArgumentParser(prog="python -m stages.compare.paper_tables", description=__doc__)
    parser.add_argument("listed", type=Path, help="cells.yaml")
    parser.add_argument("cells", type=Path, help="the folder of what was run")
    parser.add_argument("out", type=Path)
    parser.add_argument("--list", choices=["cells", "tuned"], default="cells", help="which of its lists was run")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with command("compare"):
        listed, metrics, published_on = parts(given.listed, given.list, "metrics", "published_on")
        refuse_wrong(listed)
        made, refused, count = made_of(given.listed), [], 0
        for paper, names in papers(listed).items():
            try:
                found = tables({name: listed[name] for name in names}, given.cells, metrics, published_on, made)
            except (ValueError, OSError) as error:
                refused.append(f"{paper}: {error}")
                continue
            for text in found.values():
                files.write_text(text, given.out / f"{paper}.csv")
                print(f"\n{paper}, by {' and '.join(metrics[paper])} against the first\n\n{markdown(text)}")
                count += 1
                if not (given.cells / names[0] / "test.json").exists():
                    first = f"{_repro(given.cells)} cell@{names[0]}"
                    print(f"\n{names[0]} was not run, so nothing is tested: `{first}` runs it, or says what it lacks")
        if count:
            told = ", ".join(f"{name} {value}" for name, value in made.items())
            print(f"\n{told}; a row anew: `{_repro(given.cells)} cell@<cell>`")
        if refused:
            raise ValueError("\n".join(refused))
        if not count:
            print(f"{given.cells}: none of the cells of {given.listed} was run")


if __name__ == "__main__":
    main()
