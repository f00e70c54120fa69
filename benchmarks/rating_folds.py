"""Models of ratings on random folds, the protocol that Surprise reports: Mean, Bias, MF, SVD++, TimeSVD++.

    python -m benchmarks.rating_folds FOLDER [--folds 5] [--only mf svdpp] [--seed 1]

FOLDER: a MovieLens release with ratings.csv. Ratings are dealt to the folds at random; each fold is predicted from the
others. Settings that are lists are chosen within these: on a tenth of them, then all are solved for anew. A line a
model: the mean over folds with the lowest and highest, the difference to the line above fold by fold, MAE, and seconds.
"""

import argparse
import logging
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from rich.console import Console
from rich.table import Table

import models
from benchmarks.alternation import circumstances, spread
from benchmarks.cells import refused
from engine.evaluation.rate import Errors
from engine.tables.arrays import event_columns
from engine.tables.params import read_yaml
from engine.tables.settings import Choice
from engine.training.catalog import Catalog
from engine.training.contract import Rater, Solver, Tuned
from engine.training.fit import Train, fit
from engine.training.interactions import Interactions

INNER = 10  # of this many parts of the training ratings one chooses the settings
ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "mean": ("biases", {"of": "none"}),
    "bias": ("biases", {"user_damping": [1, 3, 10], "item_damping": [1, 3, 10]}),
    "mf_unbiased": ("mf", {"bias": "none"}),
    "mf_als": ("mf", {"solver": "als", "epochs": 15}),
    "mf": ("mf", {}),
    "svdpp": ("timesvd", {"drift": "none", "epochs": [20, 40, 80]}),
    "timesvd_linear": ("timesvd", {"drift": "linear", "epochs": [20, 40, 80]}),
    "timesvd": ("timesvd", {"epochs": [20, 40, 80]}),
    "mf, Surprise's settings": ("mf", {"dim": 100, "epochs": 20, "penalty": 0.02, "rate": 0.005}),
    "svdpp, Surprise's settings": (
        "timesvd", {"drift": "none", "dim": 20, "epochs": 20, "penalty": 0.02, "rate": 0.007},
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Ratings:
    """All ratings by person and time, and the same as events."""

    frame: pl.DataFrame
    events: Interactions

    @staticmethod
    def of(folder: Path) -> "Ratings":
        """From userId, movieId, rating, timestamp."""
        raw = pl.read_csv(folder / "ratings.csv")
        if lacks := {"userId", "movieId", "rating", "timestamp"} - set(raw.columns):
            raise ValueError(f"{folder / 'ratings.csv'} has no {', '.join(sorted(lacks))}; it has {raw.columns}")
        raw = raw.sort("userId", "timestamp")
        frame = raw.select(
            user=pl.col("userId").rank("dense").cast(pl.UInt32),
            item=pl.col("movieId").rank("dense").cast(pl.UInt32),
            rating=pl.col("rating").cast(pl.Float32),
            time=pl.from_epoch("timestamp").cast(pl.Datetime("us", "UTC")),
        ).with_row_index("event", offset=1)
        return Ratings(frame, Interactions.of(event_columns(frame), int(frame["item"].max())))  # type: ignore[arg-type]

    def some(self, kept_E: np.ndarray) -> Interactions:
        """The events of a mask."""
        return Interactions.of(event_columns(self.frame.filter(pl.Series(kept_E))), self.events.items)


def predicted(choice: Choice, ratings: Ratings, train_E: np.ndarray, test_E: np.ndarray, seed: int) -> Errors:
    """The errors over the ratings of one mask of a model that is solved for from another, its settings chosen there."""
    torch.manual_seed(seed)
    model = models.build(choice, Catalog(ratings.events.items), ratings.events.users)
    assert isinstance(model, Rater)
    if isinstance(model, Tuned) and len(model.choices) > 1:
        inner_E = train_E & (np.random.default_rng(seed).integers(0, INNER, len(train_E)) == 0)
        inner, place_E = ratings.some(train_E & ~inner_E), torch.from_numpy(np.flatnonzero(inner_E))

        def reading() -> float:
            assert isinstance(model, Rater)
            return -Errors.of(model, inner, ratings.events, place_E).rmse

        with tempfile.TemporaryDirectory() as folder:
            fit(model, inner, reading, Train(epochs=1), seed, Path(folder, "run.pt"))
    train = ratings.some(train_E)
    assert isinstance(model, Solver)
    model.solve(train)
    return Errors.of(model, train, ratings.events, torch.from_numpy(np.flatnonzero(test_E)))


def several(text: str) -> int:
    """A number of folds."""
    if not text.isdecimal() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"2 at least, so that each is predicted from others; found {text}")
    return int(text)


def section(name: str, changes: dict[str, Any]) -> Choice:
    """A model's section in params.yaml, with changes."""
    return Choice(name=name, settings=read_yaml(Path("params.yaml"))["models"][name] | changes)


def line(name: str, rmse: dict[str, list[float]], mae: list[float], seconds: float) -> list[str]:
    """A row of the table; `rmse` of every row so far, this one's last."""
    above = [values for other, values in rmse.items() if other != name][-1:]
    apart = [a - b for a, b in zip(rmse[name], above[0], strict=True)] if above else []
    difference = f"{statistics.mean(apart):+.4f} ({min(apart):+.4f} to {max(apart):+.4f})" if apart else ""
    found = f"{statistics.mean(rmse[name]):.4f} ({spread(rmse[name], '.4f').partition('(')[2]}"
    return [name, found, difference, f"{statistics.mean(mae):.4f}", f"{seconds:.1f}"]


def main(given: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a MovieLens release with ratings.csv")
    parser.add_argument("--folds", type=several, default=5)
    parser.add_argument("--only", nargs="*", default=list(ROWS), choices=list(ROWS), metavar="row")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(given)
    logging.disable()
    ratings = Ratings.of(asked.folder)
    fold_E = np.random.default_rng(asked.seed).permutation(len(ratings.events)) % asked.folds
    heads = ("model", "RMSE", "to the line above", "MAE", "processor s a fold")
    table = Table(*heads, title=f"{len(ratings.events):,} ratings, {asked.folds} random folds")
    rmse: dict[str, list[float]] = {}
    for name in asked.only:
        started, choice = time.process_time(), section(*ROWS[name])
        errors = [predicted(choice, ratings, fold_E != n, fold_E == n, asked.seed) for n in range(asked.folds)]
        rmse[name] = [found.rmse for found in errors]
        seconds = (time.process_time() - started) / asked.folds
        cells = line(name, rmse, [found.mae for found in errors], seconds)
        print(" | ".join(cells), flush=True)
        table.add_row(*cells)
    Console(width=150).print(table)
    print(circumstances(asked.folds).replace("alternations", "folds"))


if __name__ == "__main__":
    with refused("rating_folds"):
        main()
