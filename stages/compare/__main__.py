"""Two git revisions side by side: each metric of both, the difference, and whether it is more than chance."""

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table as Sheet

from stages.compare.paired import Line, compare
from stages.compare.revision import Reading, read


def show(first: Reading, second: Reading, lines: list[Line], console: Console) -> None:
    """The comparison as a table; what makes it partial is said under it."""
    sheet = Sheet(title=f"{lines[0].verdict.cases if lines else 0:,} cases in common")
    sheet.add_column("metric")
    for name in (
        f"{first.revision}\n{first.choice}",
        f"{second.revision}\n{second.choice}",
        "difference",
        "p",
        "p (Holm)",
        "effect",
    ):
        sheet.add_column(name, justify="right")
    for line in lines:
        found = line.verdict
        numbers = [line.first, line.second]
        sheet.add_row(
            line.metric,
            *(f"{n:.4f}" for n in numbers),
            f"{found.difference:+.4f}",
            f"{found.p:.4f}",
            f"{line.corrected:.4f}",
            f"{found.effect:+.3f}",
        )
    console.print(sheet)
    console.print("difference: second - first; p: paired, two-sided; effect: Cohen's d of the paired differences")
    common = lines[0].verdict.cases if lines else 0
    for reading in (first, second):
        if reading.ranks.height > common:
            console.print(
                f"{reading.revision} ranked {reading.ranks.height - common:,} cases more; "
                "the figures above are over the common ones"
            )


def main() -> None:
    """Compare two revisions: `python -m stages.compare main my-branch` (or `workspace`)."""
    parser = argparse.ArgumentParser(prog="python -m stages.compare", description=__doc__)
    parser.add_argument("first", help="a branch, a tag, a commit, or workspace")
    parser.add_argument("second", nargs="?", default="workspace", help="the same (workspace if left out)")
    parser.add_argument("--test", choices=["randomisation", "t"], default="randomisation")
    parser.add_argument("--seed", type=int, default=1, help="of the randomisation test")
    parser.add_argument("--repo", type=Path, default=Path("."), help="where the project lies")
    given = parser.parse_args()
    try:
        first, second = read(given.first, given.repo), read(given.second, given.repo)
        lines = compare(first, second, given.test, given.seed)
    except ValueError as error:
        sys.exit(f"compare: {error}")
    show(first, second, lines, Console(soft_wrap=True))


if __name__ == "__main__":
    main()
