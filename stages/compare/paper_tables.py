"""The papers' cells side by side: `python -m stages.compare.paper_tables papers/cells.yaml papers/cells OUT`."""

import argparse
import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from engine.measures.significance import Verdict, holm, t_test
from engine.tables import files, store
from engine.tables.params import read_yaml
from engine.tables.schemas import ERRORS, RANKS
from stages.compare.paired import CASE, EVENT, per_case, per_event
from stages.compare.printed_table import markdown

COST = ("epochs", "seconds_an_epoch", "peak_gib", "ended_at_cap")
ERRORS_OF = ("rmse", "mae")  # over rated events, not over ranked cases
ONLY_FIGURES = "figures"  # `shown` of a cell that is in no table


def tables(
    listed: dict[str, dict[str, Any]], cells: Path, metrics: dict[str, list[str]], published_on: dict[str, str]
) -> dict[str, str]:
    """A CSV a paper: each of its cells that was run, what the paper prints of it and on which data, and how the paper's
    metrics differ from the first cell's, Holm over all of them. A cell that ended at its last epoch has not had what
    the others had: it is marked and enters no test, and where it is the first nothing is tested.

    Raises:
        ValueError: a cell ranked other cases than the first of its paper, a paper's first cell was not run, or no
            metric is named for a paper.
    """
    papers: dict[str, list[str]] = {}
    for name, cell in listed.items():
        if cell.get("shown") != ONLY_FIGURES:
            papers.setdefault(cell["paper"], []).append(name)
    found = {}
    for paper, names in papers.items():
        there = [name for name in names if (cells / name / "test.json").exists()]
        if there and there[0] != names[0]:
            raise ValueError(f"{cells / names[0]} is not there, and the others of {paper} are compared with it")
        if there and paper not in metrics:
            raise ValueError(f"metrics: none for {paper}, found {', '.join(metrics)}; e.g. {paper}: [ndcg@10] would do")
        if there:
            rows = [_row(name, listed[name], cells, published_on.get(paper, "")) for name in there]
            verdicts = {metric: _against(rows, cells, metric) for metric in metrics[paper]}
            found[paper] = _csv(rows, verdicts)
    return found


def _row(name: str, cell: dict[str, Any], cells: Path, published_on: str) -> dict[str, Any]:
    cost = json.loads((cells / name / "cost.json").read_text())
    about = {"cell": name, "protocol": cell["protocol"], "model": cell["model"], "settings": cell["settings"]}
    kept = [cells / name / "test.json", cells / name / "test_more.json"]
    readings = [json.loads(path.read_text()) for path in kept if path.exists()]
    published = {f"published_{reading}": value for reading, value in cell.get("published", {}).items()}
    if published:
        published["published_on"] = cell.get("published_on", published_on)
    return about | {k: v for some in readings for k, v in some.items()} | {key: cost[key] for key in COST} | published


def _against(rows: list[dict[str, Any]], cells: Path, metric: str) -> list[Verdict | None]:
    """Each cell's difference from the first; None where one of the two ended at its cap, or has nothing measured: who
    predicts no ratings has no errors.
    """
    table, key, path = (ERRORS, EVENT, "errors.parquet") if metric in ERRORS_OF else (RANKS, CASE, "test.parquet")
    first, *others = (store.read(cells / row["cell"] / "ranks" / path, table) for row in rows)
    found: list[Verdict | None] = [None]
    for row, second in zip(rows[1:], others, strict=True):
        if rows[0]["ended_at_cap"] or row["ended_at_cap"] or not (first.height and second.height):
            found.append(None)
            continue
        both = first.join(second, on=key, suffix="_second", validate="1:1")
        if both.height != first.height:
            raise ValueError(
                f"{row['cell']} and {rows[0]['cell']} ranked other cases: {both.height} of {first.height} are common"
            )
        found.append(_verdict(both, metric))
    return found


def _verdict(both: pl.DataFrame, metric: str) -> Verdict:
    if metric in ERRORS_OF:
        return t_test(per_event(metric, both, "_second"), per_event(metric, both, ""))
    own, other = per_case(metric, both, ""), per_case(metric, both, "_second")
    if own is None or other is None:
        raise ValueError(
            f"{metric} is no mean over cases; recall@k, ndcg@k, hr@k, mrr and auc are; rmse, mae over events"
        )
    there = np.isfinite(own) & np.isfinite(other)
    return t_test(other[there], own[there])


def _csv(rows: list[dict[str, Any]], verdicts: dict[str, list[Verdict | None]]) -> str:
    tested = [(metric, place, v) for metric, column in verdicts.items() for place, v in enumerate(column) if v]
    corrected = holm([verdict.p for *_, verdict in tested])
    for (metric, place, verdict), p_holm in zip(tested, corrected, strict=True):
        told = {"difference": verdict.difference, "p": verdict.p, "p_holm": float(p_holm), "effect": verdict.effect}
        rows[place] |= {f"{metric}_{name}": value for name, value in told.items()}
    told_of = [f"{metric}_{name}" for metric in verdicts for name in ("difference", "p", "p_holm", "effect")]
    columns = list(dict.fromkeys([*(key for row in rows for key in row if key not in told_of), *told_of]))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})
    return text.getvalue()


def main() -> None:
    """Write a CSV a paper and print them."""
    parser = argparse.ArgumentParser(prog="python -m stages.compare.paper_tables", description=__doc__)
    parser.add_argument("listed", type=Path, help="cells.yaml")
    parser.add_argument("cells", type=Path, help="the folder of what was run")
    parser.add_argument("out", type=Path)
    parser.add_argument("--list", choices=["cells", "tuned"], default="cells", help="which of its lists was run")
    given = parser.parse_args()
    try:
        listed = read_yaml(given.listed)
        found = tables(listed[given.list], given.cells, listed["metrics"], listed["published_on"])
    except ValueError as error:
        sys.exit(f"compare: {error}")
    given.out.mkdir(parents=True, exist_ok=True)
    for paper, text in found.items():
        files.write_text(text, given.out / f"{paper}.csv")
        print(f"\n{paper}, by {' and '.join(listed['metrics'][paper])} against the first\n\n{markdown(text)}")


if __name__ == "__main__":
    main()
