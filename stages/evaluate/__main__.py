"""The test cases ranked once."""

import logging
from typing import Annotated

import numpy as np
import polars as pl
from pydantic import Field
from rich.console import Console
from rich.table import Table as Sheet

import models
from engine.evaluation.rank import Counts, rank
from engine.evaluation.rate import Errors, rates
from engine.measures.ranking import auc, mrr, ndcg, positions, recall
from engine.tables import files, store
from engine.tables.command import run
from engine.tables.layout import Layout
from engine.tables.schemas import ORACLE, RANKS
from engine.tables.settings import Choice, Record
from engine.training.cases import Seen
from engine.training.contract import Rater, Recommender
from engine.training.fit import accelerator
from engine.training.source import Data, load
from stages.evaluate import beyond_accuracy, charts

log = logging.getLogger(__name__)

FIRST = {"recall@10", "recall@20", "ndcg@10", "mrr", "auc", "rmse", "mae", "ratings", "cases"}  # in test.json
FIRST |= {"oracle_recall@20", "oracle_ndcg@10"}


class Evaluate(Record):
    """What is measured."""

    cutoffs: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (5, 10, 15, 20, 25), min_length=1, description="how many of the first ranks recall and NDCG look at, each"
    )


class Params(Record):
    """What the stage reads of params.yaml."""

    model: Choice = Field(description="the chosen model and its section")
    seen: Seen = Field(description="whether what a user had before is left out of the ranking")
    evaluate: Evaluate = Field(Evaluate(), description="what is measured")
    device: str = Field("auto", description="auto, cpu or cuda")


def main(params: Params, layout: Layout) -> None:
    """Rank every test case once, with the errors of ratings, and the best that is possible where it is known."""
    device = accelerator(params.device)
    if why := store.meta(layout.split).get("no_test_cases"):
        raise ValueError(f"{layout.cases}: {why}")
    needs = models.configure(params.model).needs
    data = load(layout, needs, "test", device)
    if not data.table.height and needs.predicts != "rating":
        raise ValueError(f"{layout.cases} has no test cases, and {params.model.name} predicts no ratings")
    model: Recommender = models.restore(params.model, data.catalog, data.users, layout.weights, device)
    counts = rank(model, data.cases, data.events, params.seen)
    table = _table(data.table, counts)
    store.write(table, layout.ranks, RANKS)
    place, cutoffs = positions(counts.greater, counts.ties), params.evaluate.cutoffs
    readings = _readings(counts, cutoffs) | _ratings(model, data) | {"cases": float(len(place))}
    readings |= beyond_accuracy.readings(model, data, params.seen, layout)
    best = table.select("user", "position").join(
        _oracle(layout), on=["user", "position"], how="left", maintain_order="left"
    )
    if best.height and best["greater"].null_count() == 0:
        known = Counts(*(best[c].to_numpy().astype(np.int64) for c in ("greater", "ties", "others")))
        readings |= {f"oracle_{k}": v for k, v in _readings(known, cutoffs).items()}
    files.write_json({name: value for name, value in readings.items() if name in FIRST}, layout.metric("test"))
    files.write_json({name: value for name, value in readings.items() if name not in FIRST}, layout.metric("test_more"))
    charts.write(place, table, data.train, cutoffs, layout)
    _show(readings, params.model.name)


def _oracle(layout: Layout) -> pl.DataFrame:
    """What is known of each event by its place in time; nothing where the protocol moved events."""
    known = store.read(layout.oracle, ORACLE)
    return known if store.meta(layout.split).get("in_order", True) else known.clear()


def _table(cases: pl.DataFrame, counts: Counts) -> pl.DataFrame:
    return cases.select("case", "user", "position", "target").with_columns(
        pl.Series(name, getattr(counts, name), dtype=pl.UInt32) for name in ("greater", "ties", "others")
    )


def _readings(counts: Counts, cutoffs: tuple[int, ...]) -> dict[str, float]:
    """Means over cases, at the asked cutoffs and at those that are read first; nothing where there are no cases."""
    place = positions(counts.greater, counts.ties)
    if not len(place):
        return {}
    found = {f"recall@{k}": float(recall(place, k).mean()) for k in sorted({*cutoffs, 10, 20})}
    found |= {f"ndcg@{k}": float(ndcg(place, k).mean()) for k in sorted({*cutoffs, 10})}
    below = auc(counts.greater, counts.ties, counts.others)
    some = {} if np.isnan(below).all() else {"auc": float(np.nanmean(below))}
    return found | {"mrr": float(mrr(place).mean())} | some


def _ratings(model: Recommender, data: Data) -> dict[str, float]:
    if not (isinstance(model, Rater) and rates(model)):
        return {}
    errors = Errors.of(model, data.train, data.events, data.part_E)
    return {"rmse": errors.rmse, "mae": errors.mae, "ratings": len(errors.squared_E)}


def _show(readings: dict[str, float], name: str) -> None:
    best = {key.removeprefix("oracle_"): value for key, value in readings.items() if key.startswith("oracle_")}
    heads = ["reading", name, *(["oracle"] if best else [])]
    sheet = Sheet(*heads, title=f"{int(readings['cases']):,} test cases")
    for key, value in readings.items():
        if not key.startswith("oracle_") and key not in ("cases", "ratings"):
            row = [key, f"{value:.4f}", f"{best[key]:.4f}" if key in best else ""]
            sheet.add_row(*row[: len(heads)])
    Console().print(sheet)


if __name__ == "__main__":
    run(main)
