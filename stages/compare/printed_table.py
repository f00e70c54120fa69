"""A paper's table as people read it."""

import csv
import io

READINGS = ("recall@10", "recall@20", "ndcg@10", "auc", "rmse")
PRINTED = (*READINGS, "epochs", "seconds_an_epoch", "peak_gib", "difference", "p_holm")  # where they are there
CAPPED = "†"


def markdown(text: str) -> str:
    """A CSV of `tables` as a Markdown table: what a reader asks first, to four digits."""
    rows = list(csv.DictReader(io.StringIO(text)))
    heads = ["cell", "settings", *(name for name in PRINTED if any(row.get(name) for row in rows))]
    lines = [heads, ["---"] * len(heads)]
    for row in rows:
        settings = row["settings"].replace(f"models.{row['model']}.", "")
        row["epochs"] += CAPPED if row["ended_at_cap"] == "1" else ""
        lines.append([row["cell"], settings, *(_short(row[name]) for name in heads[2:])])
    capped = any(CAPPED in row["epochs"] for row in rows)
    under = [f"\n{CAPPED} ended at its last epoch: enters no test"] if capped else []
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), *under])


def _short(text: str) -> str:
    """A number to four digits, with its mark."""
    number = text.removesuffix(CAPPED)
    return f"{float(number):.4g}{text[len(number) :]}" if number else ""
