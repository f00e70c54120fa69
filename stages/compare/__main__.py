"""Two git revisions side by side: each metric of both, the difference, and whether it is more than chance."""

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table as Sheet

from engine.tables.command import refusals
from engine.tables.printing import printable
from engine.tables.settings import SEEDS
from stages.compare.direction import better
from stages.compare.paired import MetricComparison, common_cases, compare, other_rivals, untested
from stages.compare.revision import RevisionResults, different_inputs, read_revision
from stages.compare.revision_files import WORKSPACE

HEADS = ("difference", "p", "p (Holm)", "effect")


def show(first: RevisionResults, second: RevisionResults, rows: list[MetricComparison], console: Console) -> None:
    """The comparison as a table; what makes it partial is said under it."""
    verdicts = [row.verdict for row in rows if row.verdict]
    common = common_cases(first, second).height if verdicts else 0
    title = f"{common:,} cases in common" if common else f"{verdicts[0].cases:,} ratings in common" if verdicts else ""
    sheet = Sheet(title=title or "metrics/test.json of both, without tests", padding=0)  # eight columns in 80 letters
    sheet.add_column("metric", no_wrap=True)
    sheet.add_column("better", no_wrap=True)
    for name in (
        *(f"{side.revision}\n{printable(side.label)}" for side in (first, second)),
        *(HEADS if verdicts else HEADS[:1]),
    ):
        sheet.add_column(name, justify="right", overflow="fold")
    for row in rows:
        sheet.add_row(*_cells(row))
    console.print(sheet)
    if not verdicts:
        return
    console.print("difference: second - first; p: paired, two-sided; effect: Cohen's d of the paired differences")
    told = ", ".join(f"{printable(row.metric)} {row.verdict.interval}" for row in rows if row.verdict)
    console.print(f"95 % of the difference, by bootstrap: {told}")
    for side, other in ((first, second), (second, first)):
        if alone := sorted(side.metrics.keys() - other.metrics.keys()):
            console.print(f"of {side.revision} alone, in no test: {', '.join(map(printable, alone))}")
        if side.ranks is not None and side.ranks.height > common:
            console.print(
                f"{side.revision} ranked {side.ranks.height - common:,} cases more; "
                "the figures above are over the common ones"
            )


def _cells(row: MetricComparison) -> list[str]:
    values = ["" if value is None else f"{value:.4f}" for value in (row.first, row.second)]
    cells = [printable(row.metric), better(row.metric), *values]
    if row.verdict and row.corrected is not None:
        verdict = row.verdict
        return [
            *cells,
            f"{verdict.difference:+.4f}",
            f"{verdict.p:.4f}",
            f"{row.corrected:.4f}",
            f"{verdict.effect:+.3f}",
        ]
    return [*cells, "" if row.first is None or row.second is None else f"{row.second - row.first:+.4f}"]


def seed(text: str) -> int:
    """A number that a generator can start from."""
    if not text.isdecimal() or int(text) >= SEEDS:
        raise argparse.ArgumentTypeError(f"a whole number from 0 to {SEEDS - 1:,}, found {text!r}")
    return int(text)


def main() -> None:
    """Compare two revisions: `python -m stages.compare main my-branch` (or `workspace`)."""
    parser = argparse.ArgumentParser(prog="python -m stages.compare", description=__doc__)
    parser.add_argument("first", help=f"a branch, a tag, a commit, or {WORKSPACE}")
    parser.add_argument("second", nargs="?", default=WORKSPACE, help=f"the same ({WORKSPACE} if left out)")
    parser.add_argument("--test", choices=["randomisation", "t"], default="randomisation")
    parser.add_argument("--seed", type=seed, default=1, help="of the randomisation test")
    parser.add_argument("--repo", type=Path, default=Path("."), help="where the project lies")
    parser.add_argument("--across", action="store_true", help="although data, protocol or test cases differ")
    given = parser.parse_args()
    with refusals("compare"):
        first, second = read_revision(given.first, given.repo), read_revision(given.second, given.repo)
        missing = [side.missing for side in (first, second) if side.ranks is None]
        differ = different_inputs(first, second)
        if not missing and (many := other_rivals(common_cases(first, second))):
            differ.append(f"{many:,} common cases among other numbers of items")
        if differ and not given.across:
            raise ValueError(
                f"{first.revision} and {second.revision} were not ranked on the same: {'; '.join(differ)}. "
                "Their metrics do not compare models; --across shows them all the same"
            )
        rows = untested(first, second) if missing else compare(first, second, given.test, given.seed)
    console = Console(soft_wrap=True, markup=False, highlight=False)
    show(first, second, rows, console)
    for message in missing:
        console.print(f"No paired test: {message}")
    for side in (first, second):
        if side.changed:
            changed = printable(side.changed)
            console.print(f"{side.revision}: params.yaml has changed since: {changed}; `dvc repro` ranks by it anew")


if __name__ == "__main__":
    main()
