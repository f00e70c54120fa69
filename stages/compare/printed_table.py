"""A paper's table as a file and as people read it."""

import csv
import io
from typing import Any

from engine.measures.significance import holm
from stages.compare.interval import Bounded

READINGS = ("recall@10", "recall@20", "ndcg@10", "ndcg@20", "auc", "rmse")
COST = ("epochs", "seconds", "seconds_an_epoch", "peak_gib")
MADE = ("dataset", "content", "seeds", "base", "command")  # what a reader runs the row anew by: the last columns
OF_A_TEST = ("difference", "low", "high", "p", "p_holm", "effect")  # columns of a reading; low to high: 95 %
TESTED = ("_difference", "_low", "_high", "_p_holm", "_effect")  # those of them that are printed
CAPPED = "†"


def as_csv(rows: list[dict[str, Any]], verdicts: dict[str, list[Bounded | None]]) -> str:
    """The rows with what was tested of them, Holm over all of it."""
    tested = [(metric, place, v) for metric, column in verdicts.items() for place, v in enumerate(column) if v]
    corrected = holm([verdict.p for *_, verdict in tested])
    for (metric, place, verdict), p_holm in zip(tested, corrected, strict=True):
        told = vars(verdict) | {"p_holm": float(p_holm)}
        rows[place] |= {f"{metric}_{name}": told[name] for name in OF_A_TEST}
    told_of = [f"{metric}_{name}" for metric in verdicts for name in OF_A_TEST]
    last = [*told_of, *(name for name in MADE if any(name in row for row in rows))]
    columns = list(dict.fromkeys([*(key for row in rows for key in row if key not in last), *last]))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})
    return text.getvalue()


def markdown(text: str) -> str:
    """A CSV of `tables` as a Markdown table: what a reader asks first, to four digits."""
    rows = list(csv.DictReader(io.StringIO(text)))
    columns = ["cell", "settings", *_columns(rows)]
    lines = [[name.replace("_", " ") for name in columns], ["---"] * len(columns)]
    for row in rows:
        settings = row["settings"].replace(f"models.{row['model']}.", "").replace("+", "")
        row["epochs"] += CAPPED if row["ended_at_cap"] == "1" else ""
        name = row["cell"] + (" (ours)" if row.get("ours") else "")
        lines.append([name, settings, *(_short(row[name]) for name in columns[2:])])
    capped = any(CAPPED in row["epochs"] for row in rows)
    under = [f"\n{CAPPED} ended at its last epoch: enters no test"] if capped else []
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), *under])


def _columns(rows: list[dict[str, str]]) -> list[str]:
    """Readings, each with what the paper prints beside it, costs, and the tests; those that some row has."""
    named = [name for reading in READINGS for name in (reading, f"published_{reading}")]
    told = [name for name in rows[0] if name.endswith(TESTED)]
    return [name for name in (*named, "published_on", *COST, *told) if any(row.get(name) for row in rows)]


def _short(text: str) -> str:
    """A number to four digits, with its mark; words as they are."""
    number = text.removesuffix(CAPPED)
    try:
        return f"{float(number):.4g}{text[len(number) :]}" if number else ""
    except ValueError:
        return text
