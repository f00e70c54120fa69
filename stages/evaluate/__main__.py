"""The test cases ranked once."""

import logging
from typing import Annotated

import numpy as np
import polars as pl
from pydantic import Field
from rich.console import Console
from rich.progress import Progress
from rich.table import Table as Sheet

import models
from engine.evaluation.rank import Counts, rank
from engine.measures.ranking import auc, mrr, ndcg, positions, recall
from engine.tables import files, store
from engine.tables.command import run
from engine.tables.layout import Layout
from engine.tables.schemas import ORACLE, RANKS
from engine.tables.settings import Choice, Record
from engine.training.cases import Seen
from engine.training.contract import Recommender
from engine.training.fit import accelerator
from engine.training.source import load
from engine.training.trained_on import trained_on
from stages.evaluate import beyond_accuracy, charts, rating_errors

log = logging.getLogger(__name__)

FIRST = {"recall@10", "recall@20", "ndcg@10", "mrr", "auc", "rmse", "mae", "ratings", "cases"}  # in test.json
FIRST |= {"rmse_warm", "rmse_cold", "ratings_warm", "ratings_cold"}
FIRST |= {"oracle_recall@20", "oracle_ndcg@10"}


class Evaluate(Record):
    """What is measured."""

    cutoffs: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (5, 10, 15, 20, 25), min_length=1, description="how many of the first ranks recall and NDCG look at, each"
    )
    cold: rating_errors.Cold = Field(
        "kept", description="ratings by people or of items with under 3 training events: counted in RMSE, or left out"
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
    about = trained_on(layout, needs, tested=True)
    model: Recommender = models.restore(params.model, data.catalog, data.users, layout.weights, about, device)
    with Progress(transient=True) as progress:
        task = progress.add_task("ranking", total=len(data.cases))
        counts = rank(model, data.cases, data.events, params.seen, ranked=lambda more: progress.advance(task, more))
    table = _table(data.table, counts)
    place, cutoffs = positions(counts.greater, counts.ties), params.evaluate.cutoffs
    readings = (
        _readings(counts, cutoffs)
        | rating_errors.readings(model, data, params.evaluate.cold, layout)
        | {"cases": float(len(place))}
    )
    readings |= beyond_accuracy.readings(model, data, params.seen, layout)
    if (best := _oracle(layout, table)) is not None:
        readings |= {f"oracle_{k}": v for k, v in _readings(best, cutoffs).items()}
    store.write(table, layout.ranks, RANKS)
    files.write_json({name: value for name, value in readings.items() if name in FIRST}, layout.metric("test"))
    files.write_json({name: value for name, value in readings.items() if name not in FIRST}, layout.metric("test_more"))
    charts.write(place, table, data.train, cutoffs, layout)
    _show(readings, params.model.name)


def _oracle(layout: Layout, ranks: pl.DataFrame) -> Counts | None:
    """The best that is possible of the ranked cases; None where it is not known of all, where the protocol moved
    events, or where the model ranked fewer items: the oracle knows ranks among all that were not yet seen.
    """
    known = store.read(layout.oracle, ORACLE)
    case = ["user", "position"]
    best = ranks.select(*case, among="others").join(known, on=case, how="left", maintain_order="left")
    if not best.height or not store.meta(layout.split).get("in_order", True):
        return None
    if best["greater"].null_count() or (best["others"] != best["among"]).any():
        return None
    return Counts(*(best[c].to_numpy().astype(np.int64) for c in ("greater", "ties", "others")))


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


def _show(readings: dict[str, float], name: str) -> None:
    best = {key.removeprefix("oracle_"): value for key, value in readings.items() if key.startswith("oracle_")}
    heads = ["reading", name, *(["oracle"] if best else [])]
    sheet = Sheet(*heads, title=f"{int(readings['cases']):,} test cases")
    for key, value in readings.items():
        if not key.startswith("oracle_") and key != "cases" and not key.startswith("ratings"):
            row = [key, f"{value:.4f}", f"{best[key]:.4f}" if key in best else ""]
            sheet.add_row(*row[: len(heads)])
    Console().print(sheet)


if __name__ == "__main__":
    run(main)
