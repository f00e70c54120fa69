"""Models that are solved for: seconds and memory of ease and item_knn, a sweep of ials beside the `implicit` library.

    python -m benchmarks.solvers [FOLDER]    (pip install -r benchmarks/requirements.txt; FOLDER: a MovieLens release)

Without FOLDER ids are drawn: --users, --items, --events. One solution each with one choice of settings; for ials and
the library (its defaults: conjugate gradients) so many sweeps of as many factors, in turns, --rounds times, with what a
fit costs beside its sweeps taken off both; by the clock and in processor seconds, of which a busy machine takes none.
With FOLDER all are also ranked: NDCG@10 of everyone's last event, all items but those seen, with the settings as they
stand here, tuned in none. Where the library is not there, ours stand alone.
"""

import argparse
import importlib.util
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
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
from engine.tables.arrays import event_columns
from engine.tables.settings import Choice
from engine.training.batch import Batch
from engine.training.cases import Cases
from engine.training.catalog import Catalog
from engine.training.contract import Factored, Recommender, Solver
from engine.training.fit import peak_gib
from engine.training.interactions import Interactions
from engine.training.needs import Needs

SETTINGS: dict[str, dict[str, Any]] = {
    "item_knn": {"shrink": 10, "neighbours": 200, "length": 10_000},
    "ease": {"penalty": 500, "length": 10_000},
    "ials": {"dim": 64, "unobserved": 0.1, "penalty": 0.003, "length": 10_000},
}
SWEEPS = 8
INSTALLED = importlib.util.find_spec("implicit") is not None


def drawn(users: int, items: int, events: int) -> Interactions:
    """Who chose what, each pair once: histories of very different lengths, few items chosen by many."""
    rng = np.random.default_rng(1)
    weight = rng.lognormal(0, 1.0, users)
    user = rng.choice(users, 2 * events, p=weight / weight.sum()) + 1
    popularity = 1 / (np.arange(1, items + 1) + 50.0)
    item = rng.choice(items, 2 * events, p=popularity / popularity.sum()) + 1
    frame = pl.DataFrame({"user": user, "item": item}).unique(maintain_order=True).head(events).sort("user")
    frame = frame.cast(pl.UInt32).with_columns(time=pl.lit(None, dtype=pl.Datetime("us", "UTC")))
    return Interactions.of(event_columns(frame), items)


Took = tuple[float, float]  # seconds by the clock, and of processors


def began() -> Took:
    """Both clocks."""
    return time.perf_counter(), time.process_time()


def since(start: Took) -> Took:
    """Both clocks, from a beginning."""
    return time.perf_counter() - start[0], time.process_time() - start[1]


def solved(name: str, train: Interactions, **changes: Any) -> tuple[Recommender, Took]:
    """A model and what it took."""
    torch.manual_seed(1)
    model = models.build(Choice(name=name, settings=SETTINGS[name] | changes), Catalog(train.items), train.users)
    assert isinstance(model, Solver)
    started = began()
    model.solve(train)
    return model, since(started)


class Factors(Factored):
    """The library's factors."""

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


def peer(train: Interactions, sweeps: int) -> tuple[Recommender, Took]:
    """The library's factors of so many sweeps, and what they took."""
    import implicit.als

    row, column = train.user_E.numpy() - 1, train.item_E.numpy() - 1
    shape = (train.users, train.items)
    chosen = scipy.sparse.csr_matrix((np.ones(len(row), np.float32), (row, column)), shape)
    fitted = implicit.als.AlternatingLeastSquares(
        factors=SETTINGS["ials"]["dim"], iterations=sweeps, num_threads=torch.get_num_threads(), random_state=1,
        use_gpu=False,
    )  # fmt: skip
    started = began()
    fitted.fit(chosen, show_progress=False)
    return Factors(fitted), since(started)


def sweeps(train: Interactions, rounds: int) -> dict[str, list[Took]]:
    """What a sweep takes, round by round: SWEEPS + 1 less one."""
    ways = {"ials": lambda n: solved("ials", train, sweeps=n)}
    if INSTALLED:
        ways["implicit"] = lambda n: peer(train, n)
    found: dict[str, list[Took]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            many, one = way(SWEEPS + 1)[1], way(1)[1]
            if number:  # the first round compiles and warms
                found[name].append(((many[0] - one[0]) / SWEEPS, (many[1] - one[1]) / SWEEPS))
    return found


def without_last(everything: Interactions) -> tuple[Interactions, Cases]:
    """All but each user's last event, and those as cases."""
    last_U = everything.offset_U[2:] - 1
    kept = torch.ones(len(everything), dtype=torch.bool)
    kept[last_U] = False
    offset_U = everything.offset_U - torch.arange(-1, everything.users + 1).clamp(min=0)
    events = (everything.user_E[kept], everything.item_E[kept], everything.event_E[kept])
    train = Interactions(*events, offset_U, everything.users, everything.items)
    user_C = torch.arange(1, everything.users + 1)
    return train, Cases(user_C, last_U - everything.offset_U[1:-1], everything.item_E[last_U])


def quality(everything: Interactions) -> dict[str, float]:
    """NDCG@10 of each user's last event."""
    train, cases = without_last(everything)
    ways = {name: (lambda n=name: solved(n, train)[0]) for name in SETTINGS}
    if INSTALLED:
        ways["implicit"] = lambda: peer(train, 15)[0]
    found = {}
    for name, way in ways.items():
        counts = rank(way(), cases, everything)
        found[name] = float(ndcg(positions(counts.greater, counts.ties), 10).mean())
    return found


def main(given: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="a MovieLens release with ratings.csv")
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args(given)
    torch.set_num_threads(asked.threads)
    logging.disable()
    train = clicks(asked.folder) if asked.folder else drawn(asked.users, asked.items, asked.events)
    best = quality(train) if asked.folder else {}
    heads = ("way", "seconds", "ratio", "processor s", "ratio", "peak GiB so far", "NDCG@10")
    table = Table(*heads, title=about(train))
    solved("item_knn", drawn(20, 30, 100))  # compiles
    for name in ("item_knn", "ease"):
        seconds, used = solved(name, train)[1]
        cells = [name, f"{seconds:.2f}", "", f"{used:.2f}", "", f"{peak_gib('cpu'):.2f}"]
        table.add_row(*cells, f"{best[name]:.4f}" if best else "")
    found = sweeps(train, asked.rounds)
    for name, values in found.items():
        cells = [f"{name}, a sweep"]
        for clock in (0, 1):
            own = [took[clock] for took in values]
            cells += [spread(own, ".3f"), ratio(own, [t[clock] for t in found["implicit"]]) if INSTALLED else ""]
        table.add_row(*cells, f"{peak_gib('cpu'):.2f}", f"{best[name]:.4f}" if best else "")
    Console(width=150).print(table)
    print("" if INSTALLED else "the library is not installed: ours stand alone\n", end="")
    print(circumstances(asked.rounds))


if __name__ == "__main__":
    main()
