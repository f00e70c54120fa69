"""One cell: a row of a world's table at a seed and a rate, learnt by the engine's loop, tested once, kept in a file."""

import hashlib
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import models
from benchmarks.cells import earlier
from benchmarks.worlds.made import Made, Numbers, Part, Row
from engine.evaluation.rank import rank
from engine.evaluation.rate import Errors, rates
from engine.evaluation.selection import selection
from engine.measures.ranking import positions
from engine.tables import files
from engine.tables.settings import Choice
from engine.training.cases import Seen
from engine.training.contract import Learner, Rater, Recommender
from engine.training.fit import fit
from engine.training.schedule import Progressed, Train

SEEN: Seen = "kept"  # what a person has had may come again
BUDGET: dict[str, Any] = {"epochs": 300, "weight_decay": 1e-4, "patience": 8, "save": 1e9}


@dataclass(frozen=True)
class Trained:
    """What came of a cell: the validation reading, what each test case came to, and what it took.

    `found`: the rank of a case's target, or the squared error of its rating.
    """

    valid: float
    found: list[float]
    rate: float
    epochs: int
    best_epoch: int
    seconds: float
    capped: bool


def learnt(world: Made, row: Row, seed: int, rate: float) -> tuple[Recommender, Progressed]:
    """The row's model in its best state by validation, and how it came there."""
    torch.manual_seed(seed)
    model = models.build(Choice(name=row.model, settings=row.settings), world.catalog, world.people)
    valid, how = world.part("valid"), Train(**BUDGET | {"batch_size": row.batch_size, "lr": rate})
    reading = selection(model, valid, SEEN, "the world leaves none")
    with tempfile.TemporaryDirectory() as folder:
        return model, fit(model, valid.train, reading, how, seed, Path(folder, "run.pt"))


def cell(world: Made, row: Row, seed: int, rate: float) -> Trained:
    """Learn at a rate (a solver: solve) and rank the test cases, or rate them."""
    started, test = time.perf_counter(), world.part("test")
    model, done = learnt(world, row, seed, rate)
    return Trained(
        valid=done.best,
        found=tested(model, test).tolist(),
        rate=rate if isinstance(model, Learner) else 0.0,
        epochs=done.epoch,
        best_epoch=done.best_epoch,
        seconds=time.perf_counter() - started,
        capped=done.capped and isinstance(model, Learner),
    )


def tested(model: Recommender, test: Part) -> Numbers:
    """What each test case comes to."""
    if rates(model):
        assert isinstance(model, Rater)
        squared_C: Numbers = Errors.of(model, test.train, test.events, test.part_E).squared_E.astype(np.float64)
        return squared_C
    counts = rank(model, test.cases, test.events, SEEN)
    return positions(counts.greater, counts.ties)


def kept(world: Made, row: Row, seed: int, rate: float, folder: Path) -> Trained:
    """The same from a file, where an earlier run left it in `folder`. Its name goes by what the world tells, the
    row, the rule of stopping, the seed and the rate, not by the code of models: empty the folder after a change there.
    """
    made_of = hashlib.sha256(
        json.dumps([row.model, row.settings, row.batch_size, BUDGET, seed, rate], sort_keys=True).encode()
    )
    for array in world.told:
        made_of.update(array.tobytes())
    file = folder / f"{row.model}-{made_of.hexdigest()[:24]}.json"
    if (found := earlier(file, {})) is None:
        files.write_json(asdict(cell(world, row, seed, rate)), file)
        found = json.loads(file.read_text())
    return Trained(**found)


def chosen(world: Made, row: Row, seed: int, rates: Sequence[float], folder: Path) -> Trained:
    """The cell at the rate that validation likes best; what is solved for has none."""
    first = kept(world, row, seed, rates[0], folder)
    others = rates[1:] if first.rate else ()
    return max([first, *(kept(world, row, seed, rate, folder) for rate in others)], key=lambda found: found.valid)
