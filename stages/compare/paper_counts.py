"""IARN's Table 1 of a data set: `python -m stages.compare.paper_counts papers/cells.yaml PREPARED ITEMS OUT`."""

import argparse
import csv
import io
from pathlib import Path
from typing import Any

import polars as pl

from engine.tables import files, store
from engine.tables.command import command
from engine.tables.lacking import Lacking
from engine.tables.layout import Layout
from engine.tables.schemas import ITEMS, SPLIT
from stages.compare.listed import made_of, parts

LEAST = 3  # events before the test of each person and item that IARN's authors keep
COLUMNS = ("data", "kept", "users", "items", "events", "ratings", "features", "user_length", "item_length")


def counts(split: pl.DataFrame, items: pl.DataFrame, least: int = 1) -> dict[str, Any]:
    """Of people and items with `least` events before the test: how many they are, their events in all parts, those of
    them with a rating, the names of categories that the items have, and the mean length of both sides' histories, of
    events before the test. Both sides are counted before either is left out.
    """
    before = split.filter(pl.col("part") != "test")
    kept = split
    for side in ("user", "item"):
        often = before.group_by(side).len().filter(pl.col("len") >= least)
        kept = kept.join(often.select(side), on=side, how="semi")
    learnt = kept.filter(pl.col("part") != "test")
    people, things = learnt["user"].n_unique(), learnt["item"].n_unique()
    named = items.join(learnt.select("item").unique(), on="item", how="semi")["categories"].drop_nulls()
    return {
        "users": people,
        "items": things,
        "events": kept.height,
        "ratings": kept["rating"].count(),
        "features": named.explode().explode().drop_nulls().n_unique(),
        "user_length": learnt.height / max(people, 1),
        "item_length": learnt.height / max(things, 1),
    }


def as_csv(rows: list[dict[str, Any]]) -> str:
    """A line a row; what nobody printed is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: f"{value:.2f}" if isinstance(value, float) else value for key, value in row.items()})
    return text.getvalue()


def main() -> None:
    """Write what the paper prints of its data sets and what this one counts, whole and as the authors keep it."""
    parser = argparse.ArgumentParser(prog="python -m stages.compare.paper_counts", description=__doc__)
    parser.add_argument("listed", type=Path, help="cells.yaml")
    parser.add_argument("prepared", type=Path, help="the folder of its split by one moment for all")
    parser.add_argument("items", type=Path, help="items.parquet")
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    with command("compare"):
        (printed,) = parts(given.listed, "counts")
        name = made_of(given.listed)["dataset"]
        path = Layout(given.items.parent, "global_time", prepared=given.prepared).split
        rows = [{"data": data, "kept": "as printed"} | told for data, told in printed.items()]
        if not path.exists():
            raise Lacking(f"{path} is not there: this data set has no split by one moment")
        split, items = store.read(path, SPLIT), store.read(given.items, ITEMS)
        for kept, least in (("all", 1), (f"of {LEAST} events before the test or more", LEAST)):
            rows.append({"data": name, "kept": kept} | counts(split, items, least))
        text = as_csv(rows)
        files.write_text(text, given.out)
        print(text, end="")


if __name__ == "__main__":
    main()
