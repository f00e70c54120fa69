"""An epoch of bpr_mf in the engine's own loop beside one of the `implicit` library.

    python -m benchmarks.bpr [FOLDER]    (pip install -r benchmarks/requirements.txt; FOLDER: a MovieLens release)

The same events, as many factors, one negative an event that the user did not choose; some epochs in turns, --rounds
times, the median of each turn. The library 2 threads; ours has one, since its steps are too small to share.
With FOLDER both are also trained on all but each user's last event, so that it shows whether an epoch is fast for want
of learning: the best NDCG@10 of those events, all items ranked but those seen, and the training seconds it took
(settings as params.yaml and the library have them, neither tuned on these events).
"""

import argparse
import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import implicit.bpr
import numpy as np
import scipy.sparse
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

import models
from benchmarks.alternation import ROUNDS, circumstances, ratio, spread
from benchmarks.clicks import about, clicks
from engine.evaluation.rank import rank
from engine.measures.ranking import ndcg, positions
from engine.tables.params import read_yaml
from engine.tables.settings import Choice
from engine.training.batch import Batch
from engine.training.cases import Cases
from engine.training.catalog import Catalog
from engine.training.contract import Factored, Recommender
from engine.training.fit import Train, fit
from engine.training.interactions import Interactions
from engine.training.needs import Needs

SECTION = read_yaml(Path("params.yaml"))["models"]["bpr_mf"]
EPOCHS, LONGEST, THREADS = 20, 100, 2
Reading = Callable[[Recommender], float]


def ours(train: Interactions, epochs: int, reading: Reading | None = None) -> tuple[list[float], list[float]]:
    """Seconds and readings of each epoch."""
    torch.manual_seed(1)
    choice = Choice(name="bpr_mf", settings={key: value for key, value in SECTION.items() if key != "train"})
    model = models.build(choice, Catalog(train.items), train.users)
    fixed = {"epochs": epochs, "patience": epochs, "weight_decay": 0, "clip": 0, "save": 1e9}
    settings = Train.model_validate(SECTION["train"] | fixed)
    readings: list[float] = []

    def read() -> float:
        readings.append(reading(model) if reading else 0.0)
        return readings[-1]

    with tempfile.TemporaryDirectory() as folder:
        return fit(model, train, read, settings, 1, Path(folder, "run.pt")).seconds, readings


class Factors(Factored):
    """The library's factors, its item bias the last column."""

    def __init__(self, fitted: Any):
        super().__init__()
        self.user_UD = torch.from_numpy(np.pad(fitted.user_factors, ((1, 0), (0, 0))))
        self.item_ND = torch.from_numpy(np.pad(fitted.item_factors, ((1, 0), (0, 0))))

    @property
    def needs(self) -> Needs:
        return Needs()

    def query(self, batch: Batch) -> Tensor:
        return self.user_UD[batch.user_B]

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        return self.item_ND if item_U is None else self.item_ND[item_U]


def peer(train: Interactions, epochs: int, reading: Reading | None = None) -> tuple[list[float], list[float]]:
    """Seconds of an epoch, every tenth of them read; what a fit costs beside its epochs is taken off."""
    row, column = train.user_E.numpy() - 1, train.item_E.numpy() - 1
    chosen = scipy.sparse.csr_matrix((np.ones(len(row), np.float32), (row, column)), (train.users, train.items))
    fitted = implicit.bpr.BayesianPersonalizedRanking(
        factors=SECTION["dim"], iterations=0, num_threads=THREADS, random_state=1, use_gpu=False
    )
    started = time.perf_counter()
    fitted.fit(chosen, show_progress=False)
    beside = time.perf_counter() - started
    seconds, readings = [], []
    fitted.iterations = 10
    for _ in range(epochs // 10):
        started = time.perf_counter()
        fitted.fit(chosen, show_progress=False)
        seconds += [(time.perf_counter() - started - beside) / 10] * 10
        readings.append(reading(Factors(fitted)) if reading else 0.0)
    return seconds, readings


def quality(everything: Interactions) -> dict[str, str]:
    """The best NDCG@10 of each user's last event, and what it took."""
    last_U = everything.offset_U[2:] - 1
    kept = torch.ones(len(everything), dtype=torch.bool)
    kept[last_U] = False
    offset_U = everything.offset_U - torch.arange(-1, everything.users + 1).clamp(min=0)
    events = (everything.user_E[kept], everything.item_E[kept], everything.event_E[kept])
    train = Interactions(*events, offset_U, everything.users, everything.items)
    user_C = torch.arange(1, everything.users + 1)
    cases = Cases(user_C, last_U - everything.offset_U[1:-1], everything.item_E[last_U])

    def reading(model: Recommender) -> float:
        counts = rank(model, cases, everything)
        return float(ndcg(positions(counts.greater, counts.ties), 10).mean())

    found = {}
    for name, way, every in (("bpr_mf", ours, 1), ("implicit", peer, 10)):
        seconds, readings = way(train, LONGEST, reading)
        best = int(np.argmax(readings))
        epoch = (best + 1) * every
        found[name] = f"{readings[best]:.4f} after {epoch} epochs, {sum(seconds[:epoch]):.2f} s"
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="a MovieLens release with ratings.csv")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable()
    train = clicks(asked.folder)
    seconds: dict[str, list[float]] = {"bpr_mf": [], "implicit": []}
    used: dict[str, list[float]] = {"bpr_mf": [], "implicit": []}
    for number in range(asked.rounds + 1):
        for name, way in (("bpr_mf", ours), ("implicit", peer)):
            started = time.process_time()
            found = way(train, EPOCHS)[0]
            if number:  # the first round compiles and warms
                seconds[name].append(statistics.median(found))
                used[name].append((time.process_time() - started) / EPOCHS)
    best = quality(train) if asked.folder else {}
    heads = ("way", "s an epoch", "ratio", "processor s", "ratio", "best NDCG@10")
    table = Table(*heads, title=f"{about(train)}: median (lowest to highest)")
    for name in seconds:
        cells = [
            cell
            for taken in (seconds, used)
            for cell in (spread(taken[name], ".4f"), ratio(taken[name], taken["implicit"]))
        ]
        table.add_row(name, *cells, best.get(name, ""))
    Console(width=150).print(table)
    print(circumstances(asked.rounds))


if __name__ == "__main__":
    main()
