"""One cell: a row of a world's table at a seed and a rate, learnt by the engine's loop, tested once, kept in a file."""

import hashlib
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

import models
from benchmarks.worlds.made import Made, Row
from engine.evaluation.rank import rank
from engine.evaluation.selection import selection
from engine.measures.ranking import positions
from engine.tables import files
from engine.tables.settings import Choice
from engine.training.cases import Seen
from engine.training.contract import Learner, Recommender
from engine.training.fit import fit
from engine.training.schedule import Progressed, Train

SEEN: Seen = "kept"  # what a person has had may come again
BUDGET: dict[str, Any] = {"epochs": 300, "batch_size": 64, "weight_decay": 1e-4, "patience": 8, "save": 1e9}


@dataclass(frozen=True)
class Trained:
    """What came of a cell: the validation reading, the rank of each test case's target, and what it took."""

    valid: float
    place: list[float]
    rate: float
    epochs: int
    best_epoch: int
    seconds: float
    capped: bool


def learnt(world: Made, row: Row, seed: int, rate: float) -> tuple[Recommender, Progressed]:
    """The row's model in its best state by validation, and how it came there."""
    torch.manual_seed(seed)
    model = models.build(Choice(name=row.model, settings=row.settings), world.catalog, world.people)
    valid, how = world.part("valid"), Train(**BUDGET | {"lr": rate})
    reading = selection(model, valid, SEEN, "the world leaves none")
    with tempfile.TemporaryDirectory() as folder:
        return model, fit(model, valid.train, reading, how, seed, Path(folder, "run.pt"))


def cell(world: Made, row: Row, seed: int, rate: float) -> Trained:
    """Learn at a rate (a solver: solve) and rank the test cases."""
    started, test = time.perf_counter(), world.part("test")
    model, done = learnt(world, row, seed, rate)
    counts = rank(model, test.cases, test.events, SEEN)
    return Trained(
        valid=done.best,
        place=positions(counts.greater, counts.ties).tolist(),
        rate=rate if isinstance(model, Learner) else 0.0,
        epochs=done.epoch,
        best_epoch=done.best_epoch,
        seconds=time.perf_counter() - started,
        capped=done.capped and isinstance(model, Learner),
    )


def kept(world: Made, row: Row, seed: int, rate: float, folder: Path) -> Trained:
    """The same from a file, where an earlier run left it in `folder`. Its name goes by the world's acts and views, the
    row, the rule of stopping, the seed and the rate, not by the code of models: empty the folder after a change there.
    """
    made_of = hashlib.sha256(json.dumps([row.model, row.settings, BUDGET, seed, rate], sort_keys=True).encode())
    for array in (world.item_UL, *(world.catalog.vector(view).numpy() for view in ("image", "text"))):
        made_of.update(array.tobytes())
    file = folder / f"{row.model}-{made_of.hexdigest()[:24]}.json"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        files.write_json(asdict(cell(world, row, seed, rate)), file)
    return Trained(**json.loads(file.read_text()))


def chosen(world: Made, row: Row, seed: int, rates: Sequence[float], folder: Path) -> Trained:
    """The cell at the rate that validation likes best; what is solved for has none."""
    first = kept(world, row, seed, rates[0], folder)
    others = rates[1:] if first.rate else ()
    return max([first, *(kept(world, row, seed, rate, folder) for rate in others)], key=lambda found: found.valid)
