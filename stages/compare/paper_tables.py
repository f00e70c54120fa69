"""The papers' cells side by side: `python -m stages.compare.paper_tables papers/cells.yaml papers/cells OUT`."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from engine.measures.significance import Verdict, t_test
from engine.tables import files, store
from engine.tables.command import command
from engine.tables.schemas import ERRORS, RANKS
from stages.compare.listed import kept, papers, parts, refuse_wrong, refuse_wrong_metrics
from stages.compare.paired import CASE, EVENT, other_rivals, per_case, per_event
from stages.compare.printed_table import as_csv, markdown

COST = ("epochs", "seconds_an_epoch", "peak_gib", "ended_at_cap")
ERRORS_OF = ("rmse", "mae")  # over rated events, not over ranked cases


def tables(
    listed: dict[str, dict[str, Any]], cells: Path, metrics: dict[str, list[str]], published_on: dict[str, str]
) -> dict[str, str]:
    """A CSV a paper: each of its cells that was run, what the paper prints of it and on which data, and how the paper's
    metrics differ from the first cell's, Holm over all of them. A cell that ended at its last epoch has not had what
    the others had: it is marked and enters no test, and where it is the first, or the first was not run, nothing is
    tested.

    Raises:
        ValueError: a cell ranked other cases than the first of its paper, or no metric is named for a paper.
    """
    refuse_wrong(listed)
    found = {}
    for paper, names in papers(listed).items():
        there = [name for name in names if (cells / name / "test.json").exists()]
        if there:
            refuse_wrong_metrics(paper, metrics)
            rows = [_row(name, listed[name], cells, published_on.get(paper, "")) for name in there]
            tested = there[0] == names[0]
            verdicts = {metric: _against(rows, cells, metric, tested) for metric in metrics[paper]}
            found[paper] = as_csv(rows, verdicts)
    return found


def _row(name: str, cell: dict[str, Any], cells: Path, published_on: str) -> dict[str, Any]:
    cost = kept(cells / name / "cost.json")
    about = {"cell": name, "protocol": cell["protocol"], "model": cell["model"], "settings": cell["settings"]}
    readings = [kept(cells / name / "test.json")]
    if (more := cells / name / "test_more.json").exists():
        readings.append(kept(more))
    published = {f"published_{reading}": value for reading, value in (cell.get("published") or {}).items()}
    if published:
        published["published_on"] = cell.get("published_on", published_on)
    return (
        about | {k: v for some in readings for k, v in some.items()} | {key: cost.get(key) for key in COST} | published
    )


def _against(rows: list[dict[str, Any]], cells: Path, metric: str, tested: bool) -> list[Verdict | None]:
    """Each cell's difference from the first; None where that is not `tested`, one of the two ended at its cap, or has
    nothing measured: who predicts no ratings has no errors.

    Raises:
        ValueError: they ranked other cases, whether or not they are tested: such rows stand in no table together.
    """
    table, key, path = (ERRORS, EVENT, "errors.parquet") if metric in ERRORS_OF else (RANKS, CASE, "test.parquet")
    first, *others = (store.read(cells / row["cell"] / "ranks" / path, table) for row in rows)
    found: list[Verdict | None] = [None]
    for row, second in zip(rows[1:], others, strict=True):
        if not (first.height and second.height):
            found.append(None)
            continue
        both = first.join(second, on=key, suffix="_second", validate="1:1")
        told = f"{row['cell']} and {rows[0]['cell']} ranked"
        if not both.height == first.height == second.height:
            raise ValueError(
                f"{told} other cases: {both.height} of {max(first.height, second.height)} are common; "
                "both of them on the same data, run anew, would do"
            )
        if table is RANKS and (many := other_rivals(both)):
            raise ValueError(
                f"{told} {many} of {both.height} cases among other numbers of items; one protocol for both would do"
            )
        fair = tested and not rows[0]["ended_at_cap"] and not row["ended_at_cap"]
        found.append(_verdict(both, metric) if fair else None)
    return found


def _verdict(both: pl.DataFrame, metric: str) -> Verdict | None:
    """None where fewer than two cases can be measured on both sides."""
    if both.height < 2:
        return None
    if metric in ERRORS_OF:
        return t_test(per_event(metric, both, "_second"), per_event(metric, both, ""))
    own, other = per_case(metric, both, ""), per_case(metric, both, "_second")
    if own is None or other is None:
        raise ValueError(
            f"{metric} is no mean over cases; recall@k, ndcg@k, hr@k, mrr and auc are; rmse, mae over events"
        )
    there = np.isfinite(own) & np.isfinite(other)
    return t_test(other[there], own[there]) if there.sum() > 1 else None


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
        refused, made = [], 0
        for paper, names in papers(listed).items():
            try:
                found = tables({name: listed[name] for name in names}, given.cells, metrics, published_on)
            except (ValueError, OSError) as error:
                refused.append(f"{paper}: {error}")
                continue
            for text in found.values():
                files.write_text(text, given.out / f"{paper}.csv")
                print(f"\n{paper}, by {' and '.join(metrics[paper])} against the first\n\n{markdown(text)}")
                made += 1
                if not (given.cells / names[0] / "test.json").exists():
                    first = f"dvc --cd {given.cells.parent} repro cell@{names[0]}"
                    print(f"\n{names[0]} was not run, so nothing is tested: `{first}` runs it, or says what it lacks")
        if refused:
            raise ValueError("\n".join(refused))
        if not made:
            print(f"{given.cells}: none of the cells of {given.listed} was run")


if __name__ == "__main__":
    main()
