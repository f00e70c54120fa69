"""An epoch of SASRec by windows, every position a target, beside the same encoder on one row per prefix.

    python -m benchmarks.sasrec [FOLDER]      (FOLDER: a MovieLens release; else ids in the shape of ml-100k)

Both learn the same targets with the same model (64 wide, 2 blocks, 50 events, softmax over all items), dropout and
optimiser. Windows go through the engine's own loop, whole epochs. One row per prefix is what well-known libraries do;
some of its steps are timed and scaled to the epoch, at two batch sizes. All in turns, --rounds times.
"""

import argparse
import logging
import statistics
import tempfile
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

import models
from benchmarks.alternation import ROUNDS, circumstances, ratio, spread
from benchmarks.clicks import about, clicks
from engine.tables.settings import Choice
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import Learner
from engine.training.fit import Train, fit
from engine.training.interactions import Interactions
from engine.training.needs import Needs

SETTINGS = {"dim": 64, "heads": 2, "blocks": 2, "inner": 256, "length": 50, "dropout": 0.2, "norm": "pre"}
SETTINGS |= {"objective": "chunked", "shared": 1, "negatives": 1}
ROWS, EPOCHS = 128, 3
PREFIXES = {256: 16, 2048: 4}  # rows a batch, steps that are timed


def model(train: Interactions) -> Learner:
    """The same parameters each time."""
    torch.manual_seed(1)
    built = models.build(Choice(name="sasrec", settings=SETTINGS), Catalog(train.items), train.users)
    assert isinstance(built, Learner)
    return built


def windows(train: Interactions, learner: Learner) -> list[float]:
    """Seconds of some epochs in the engine's loop."""
    settings = Train(
        epochs=EPOCHS, batch_size=ROWS, lr=1e-3, weight_decay=0, clip=0, patience=EPOCHS, every=1, save=1e9
    )
    with tempfile.TemporaryDirectory() as folder:
        return fit(learner, train, lambda: 0.0, settings, 1, Path(folder, "run.pt")).seconds


def prefix(train: Interactions, place_B: Tensor, needs: Needs) -> Batch:
    """The events before each event as a row, that event as the target of its last position."""
    user_B = train.user_E[place_B]
    batch = train.rows(train.offset_U[user_B], place_B, user_B, needs)
    last_B1 = (batch.length_B - 1)[:, None]
    return batch.but(target_BL=torch.zeros_like(batch.item_BL).scatter_(1, last_B1, train.item_E[place_B][:, None]))


def prefixes(train: Interactions, learner: Learner, rows: int, sample: int) -> float:
    """Seconds of an epoch, from the median of some steps."""
    learner.train()
    optimizer = torch.optim.Adam(learner.parameters(), lr=1e-3, fused=True)
    first = torch.zeros(len(train), dtype=torch.bool)
    first[train.offset_U[1:-1]] = True
    place_E = torch.nonzero(~first)[:, 0]
    place_E = place_E[torch.randperm(len(place_E), generator=torch.Generator().manual_seed(1))]
    seconds = []
    for place_B in torch.split(place_E[: rows * (sample + 1)], rows):
        started = time.perf_counter()
        learner.loss(prefix(train, place_B, learner.needs)).backward()
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:]) * len(place_E) / rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="a MovieLens release with ratings.csv")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    train = clicks(asked.folder)
    logging.disable()
    name = f"windows, batches of {ROWS}: {EPOCHS - 1} whole epochs"
    names = {rows: f"one row per prefix, batches of {rows}: {some} steps, scaled" for rows, some in PREFIXES.items()}
    seconds: dict[str, list[float]] = {name: [], **{way: [] for way in names.values()}}
    for _ in range(asked.rounds):
        seconds[name].append(statistics.median(windows(train, model(train))[1:]))
        for rows, way in names.items():
            seconds[way].append(prefixes(train, model(train), rows, PREFIXES[rows]))
    table = Table("way", "s an epoch", "ratio", title=f"{about(train)}: median (lowest to highest)")
    for way, values in seconds.items():
        table.add_row(way, spread(values), ratio(values, seconds[name]))
    Console(width=120).print(table)
    print(circumstances(asked.rounds))


if __name__ == "__main__":
    main()
