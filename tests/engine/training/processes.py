"""What each of some processes does in test_loop: trains models, a run that is killed and goes on, and the stage."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

import models
from engine.tables import files, store
from engine.tables.layout import Layout
from engine.tables.schemas import CASES, ITEMS, SPLIT, USERS
from engine.tables.settings import Choice
from engine.training import checkpoint as checkpoints
from engine.training.contract import Learner
from engine.training.fit import Progressed, fit
from engine.training.loop import Loop
from engine.training.schedule import Train
from stages import train as stage
from tests.models.world import World, section

# Full and chunked softmax, negatives at every position, shared draws, pairs, and pairs with both sides' histories.
RUNS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "gru4rec": ("gru4rec", "chunked", {}),
    "bpr_max": ("gru4rec", "bpr_max", {}),
    "sasrec": ("sasrec", "bce", {}),
    "bpr_mf": ("bpr_mf", "negatives", {}),
    "iarn": ("iarn", "ranking", {}),
    "ante_rnn": ("ante_rnn", "sampled", {"triplet": {"share": 0.0, "margin": 0.3, "items": 8}}),
    "tied": ("ante_rnn", "tied", {"triplet": {"share": 0.0, "margin": 0.3, "items": 8}}),
}
EPOCHS, ROWS = 3, 5  # rows a step: an odd number, so that shares differ; the last step of pairs has one row alone


def world() -> World:
    """People with 3 to 10 events each, 71 to learn from."""
    generator = np.random.default_rng(7)
    return World([generator.integers(1, 16, n).tolist() for n in [4, 10, 5, 4, 7, 9, 3, 6, 8, 5, 4, 10, 9]], 15)


class Killed(Exception):
    """Instead of kill -9, in every process at once."""


class Mortal(Loop):
    """A run that dies after its second validation."""

    def _validate(self, reading: Callable[[], float]) -> None:
        super()._validate(reading)
        if len(self.state.readings) == 2:
            self._save()
            raise Killed


def settings(save: float = 1e9) -> Train:
    return Train(
        epochs=EPOCHS, batch_size=ROWS, lr=0.02, weight_decay=0.01, clip=0.5, patience=EPOCHS, every=1, save=save,
        average=0.5,
    )  # fmt: skip


def prepared(run: str, given: World) -> Learner:
    """The model of a run; its seed differs by process, so that they start alike only where one tells the others."""
    name, variant, more = RUNS[run]
    choice = section(name, variant)
    torch.manual_seed(1 + int(os.environ.get("RANK", "0")))
    model = models.build(Choice(name=name, settings=choice.settings | more), given.catalog, given.users)
    assert isinstance(model, Learner)
    return model


def told(model: Learner, done: Progressed) -> dict[str, Any]:
    """What a run came to."""
    weights = [value.double().flatten() for value in model.state_dict().values()]
    return {
        "losses": done.losses,
        "readings": done.readings,
        "best_epoch": done.best_epoch,
        "weights": torch.cat(weights).tolist() if weights else [],
    }


def trained(run: str, given: World, folder: Path) -> dict[str, Any]:
    """A run whose validations rise and fall, read by the first process alone."""
    readings = iter([0.3, 0.9, 0.5])
    asked: list[float] = []

    def reading() -> float:
        asked.append(next(readings))
        return asked[-1]

    model = prepared(run, given)
    done = fit(model, given.interactions(1), reading, settings(), 1, folder / f"{run}.pt")
    return told(model, done) | {"asked": len(asked)}


def resumed(given: World, folder: Path) -> dict[str, Any]:
    """A run that died and went on, in new models; only the first process sees where it was kept."""
    checkpoint = folder / os.environ.get("RANK", "0") / "killed.pt"
    try:
        Mortal(prepared("sasrec", given), given.interactions(1), settings(), 1, checkpoint).run(lambda: 0.5)
    except Killed:
        kept = checkpoint.exists()
    model = prepared("sasrec", given)
    done = fit(model, given.interactions(1), lambda: 0.5, settings(), 1, checkpoint)
    return told(model, done) | {"kept": kept, "left": checkpoint.exists()}


def staged(folder: Path) -> list[str]:
    """The names of the files that the train stage wrote in this process."""
    wide = [(u, p, 1 + (u + p) % 9, None, "train" if p < 5 else "valid", None) for u in range(1, 9) for p in range(6)]
    layout = Layout(folder / f"data{os.environ.get('RANK', '0')}", "temporal", results=folder / "out")
    split = pl.DataFrame(wide, schema=dict(SPLIT.columns), orient="row")
    store.write(split, layout.split, SPLIT, {"items": 9, "users": 8})
    asked = [(u, "valid", u, 5, 1 + (u + 5) % 9, None) for u in range(1, 9)]
    store.write(pl.DataFrame(asked, schema=dict(CASES.columns), orient="row"), layout.cases, CASES)
    items = [(n, str(n), None, None, None) for n in range(1, 10)]
    store.write(pl.DataFrame(items, schema=dict(ITEMS.columns), orient="row"), layout.items, ITEMS)
    people = [(n, str(n)) for n in range(1, 9)]
    store.write(pl.DataFrame(people, schema=dict(USERS.columns), orient="row"), layout.users, USERS)
    params = stage.Params(
        model=section("gru4rec", "chunked"), seen="kept", train=settings().model_dump(), device="cpu", seed=1
    )
    params.model.settings.pop("train", None)
    written: list[str] = []
    whole = files.whole

    def counted(path: Path) -> Any:
        if "checkpoints" not in path.parts:
            written.append(path.name)
        return whole(path)

    files.whole = checkpoints.whole = counted
    os.environ["DVC_ROOT"] = str(layout.root)
    stage.main(params, layout)
    return sorted(written)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    here = world()
    found: dict[str, Any] = {run: trained(run, here, place) for run in RUNS}
    found |= {"resumed": resumed(here, place), "written": staged(place)}
    files.write_json(found, place / f"told{os.environ['RANK']}.json")
