"""A paper's table as people read it."""

import csv
import io

READINGS = ("recall@10", "recall@20", "ndcg@10", "ndcg@20", "auc", "rmse")
COST = ("epochs", "seconds_an_epoch", "peak_gib")
TESTED = ("_difference", "_p_holm")  # columns of a reading that are printed
CAPPED = "†"


def markdown(text: str) -> str:
    """A CSV of `tables` as a Markdown table: what a reader asks first, to four digits."""
    rows = list(csv.DictReader(io.StringIO(text)))
    columns = ["cell", "settings", *_columns(rows)]
    lines = [[name.replace("_", " ") for name in columns], ["---"] * len(columns)]
    for row in rows:
        settings = row["settings"].replace(f"models.{row['model']}.", "").replace("+", "")
        row["epochs"] += CAPPED if row["ended_at_cap"] == "1" else ""
        lines.append([row["cell"], settings, *(_short(row[name]) for name in columns[2:])])
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
