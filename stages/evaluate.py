"""The test cases ranked once."""

import itertools
import logging
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table as Sheet

import models
from engine import store
from engine.contract import Rater, Recommender
from engine.fit import accelerator
from engine.measures.ranking import auc, mrr, ndcg, positions, recall
from engine.params import Choice, Record, run
from engine.rank import Counts, rank
from engine.rate import Errors, rates
from engine.source import Data, Source, load
from engine.tables import ORACLE, RANKS

log = logging.getLogger(__name__)

LENGTHS = (5, 10, 20, 50, 100)  # borders of the classes of history length


class Evaluate(Record):
    cutoffs: tuple[int, ...]


class Params(Record):
    model: Choice
    seen: Literal["excluded", "kept"]
    evaluate: Evaluate
    device: str


def main(
    params: Params,
    split: Path,
    cases: Path,
    regions: Path,
    image: Path,
    text: Path,
    words: Path,
    history: Path,
    topics: Path,
    items: Path,
    weights: Path,
    oracle: Path,
    ranks: Path,
    test: Path,
    cutoff_plot: Path,
    length_plot: Path,
) -> None:
    """Rank every test case once, with the errors of ratings, and the best that is possible where it is known."""
    source = Source(split, cases, regions, image, text, words, history, topics, items)
    device = accelerator(params.device)
    data = load(source, models.configure(params.model).needs, "test", device)
    if not data.table.height:
        raise ValueError(f"{cases} has no test cases: every user's history is too short for the protocol")
    model: Recommender = models.restore(params.model, data.catalog, data.users, weights, device)
    counts = rank(model, data.cases, data.events, params.seen)
    table = _table(data.table, counts)
    store.write(table, ranks, RANKS)
    place = positions(counts.greater, counts.ties)
    readings = _readings(counts, params.evaluate.cutoffs) | _ratings(model, data) | {"cases": float(len(place))}
    best = table.select("user", "position").join(
        _oracle(oracle, split), on=["user", "position"], how="left", maintain_order="left"
    )
    if best.height and best["greater"].null_count() == 0:
        known = Counts(*(best[c].to_numpy().astype(np.int64) for c in ("greater", "ties", "others")))
        readings |= {f"oracle_{k}": v for k, v in _readings(known, params.evaluate.cutoffs).items()}
    store.write_json(readings, test)
    _plots(place, table["position"].to_numpy(), params.evaluate.cutoffs, cutoff_plot, length_plot)
    _show(readings, params.model.name)


def _oracle(oracle: Path, split: Path) -> pl.DataFrame:
    """What is known of each event by its place in time; nothing where the protocol moved events."""
    known = store.read(oracle, ORACLE)
    return known if store.meta(split).get("in_order", True) else known.clear()


def _table(cases: pl.DataFrame, counts: Counts) -> pl.DataFrame:
    return cases.select("case", "user", "position", "target").with_columns(
        pl.Series(name, getattr(counts, name), dtype=pl.UInt32) for name in ("greater", "ties", "others")
    )


def _readings(counts: Counts, cutoffs: tuple[int, ...]) -> dict[str, float]:
    place = positions(counts.greater, counts.ties)
    found = {f"recall@{k}": float(recall(place, k).mean()) for k in cutoffs}
    found |= {f"ndcg@{k}": float(ndcg(place, k).mean()) for k in cutoffs}
    return found | {
        "mrr": float(mrr(place).mean()),
        "auc": float(np.nanmean(auc(counts.greater, counts.ties, counts.others))),
    }


def _ratings(model: Recommender, data: Data) -> dict[str, float]:
    if not (isinstance(model, Rater) and rates(model)):
        return {}
    errors = Errors.of(model, data.train, data.events, data.part_E)
    return {"rmse": errors.rmse, "mae": errors.mae, "ratings": len(errors.squared_E)}


def _plots(place: np.ndarray, length: np.ndarray, cutoffs: tuple[int, ...], by_cutoff: Path, by_length: Path) -> None:
    lines = [f"{k},{recall(place, k).mean():.6f}" for k in cutoffs]
    store.write_text("\n".join(["k,recall", *lines]) + "\n", by_cutoff)
    borders = [0, *LENGTHS, int(length.max()) + 1]
    rows = ["history,recall"]
    for low, high in itertools.pairwise(borders):
        inside = (length >= low) & (length < high)
        if inside.any():
            rows.append(f"{low} to {high - 1},{recall(place[inside], 20).mean():.6f}")
    store.write_text("\n".join(rows) + "\n", by_length)


def _show(readings: dict[str, float], name: str) -> None:
    sheet = Sheet("reading", name, "oracle", title=f"{int(readings['cases']):,} test cases")
    for key, value in readings.items():
        if not key.startswith("oracle_") and key not in ("cases", "ratings"):
            best = readings.get(f"oracle_{key}")
            sheet.add_row(key, f"{value:.4f}", "" if best is None else f"{best:.4f}")
    Console().print(sheet)


if __name__ == "__main__":
    run(main)
