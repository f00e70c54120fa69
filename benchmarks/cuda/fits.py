"""One fit of each model in 32-true and in bf16-mixed, with the demo's shapes."""

import math
import tempfile
from pathlib import Path

import torch

import models
from benchmarks.cuda import settings as sizes
from benchmarks.cuda.report import Found, Report, peak_memory, plain_bf16
from benchmarks.cuda.settings import choice
from benchmarks.cuda.world import DEMO, SMALL, World
from engine.evaluation.rank import rank
from engine.evaluation.rate import Errors, rates
from engine.measures.ranking import ndcg, positions
from engine.training.contract import Rater, Recommender, Solver
from engine.training.fit import Train, fit

# rows a step and learning rate of params.yaml (iarn: four times the rows)
STEPS = {
    "bpr_mf": (16384, 0.01), "gru4rec": (64, 0.001), "sasrec": (64, 0.001), "ante_rnn": (16, 0.004),
    "mahn": (16, 0.003), "min_net": (16, 0.001), "iris": (64, 0.01), "iarn": (1024, 0.001),
}  # fmt: skip
OTHER = (8, 0.01)  # rows and rate of the other models: enough steps for a loss to fall in
EPOCHS = 3
APART = 0.05  # of the last loss in 32 bits


def run(report: Report, device: torch.device, small: bool) -> None:
    """An entry a model and precision: losses, seconds an epoch, what selects; mixed ends near full precision."""
    world = World(SMALL if small else DEMO, device)
    for name in sizes.NAMES:
        full = report.attempt(f"{name}.32-true", lambda n=name: one(n, world, "32-true", small), 10)  # type: ignore[misc]
        if name in STEPS and full:
            report.attempt(f"{name}.bf16-mixed", lambda n=name, f=full: mixed(n, world, small, f), 10)  # type: ignore[misc]


def mixed(name: str, world: World, small: bool, full: Found) -> Found:
    """A fit in bf16-mixed, and how far its last loss lies from that in full precision."""
    found = one(name, world, "bf16-mixed", small)
    found["apart"] = round(abs(found["losses"][-1] / full["losses"][-1] - 1), 6)
    found["sound"] = found["sound"] and found["apart"] < APART
    return found


def settings(name: str, epochs: int, precision: str, rows: int = 0) -> Train:
    """Of a run that stops after its epochs."""
    own, lr = STEPS.get(name, OTHER)
    return Train(
        epochs=epochs, batch_size=rows or own, lr=lr, weight_decay=0.0, clip=5.0, patience=epochs,
        precision=precision, save=1e9,
    )  # fmt: skip


def one(name: str, world: World, precision: str, small: bool) -> Found:
    """A fit; sound where every number is finite and the loss has fallen."""
    torch.manual_seed(1)
    model = models.build(choice(name, small), world.catalog, world.shape.people).to(world.device)
    found: Found = {}
    with tempfile.TemporaryDirectory() as folder, peak_memory(world.device, found), plain_bf16(world.device):
        train = settings(name, EPOCHS, precision)
        done = fit(model, world.events, lambda: reading(model, world), train, 1, Path(folder, "run.pt"))
    found |= {"losses": done.losses, "reading": done.best, "seconds_an_epoch": round(done.seconds_an_epoch, 3)}
    fell = isinstance(model, Solver) or min(done.losses[1:]) < done.losses[0]
    found["sound"] = fell and all(math.isfinite(value) for value in (*done.losses, done.best))
    return found


def reading(model: Recommender, world: World) -> float:
    """NDCG@10 of everyone's last event, or the negative RMSE of all ratings."""
    if rates(model):
        assert isinstance(model, Rater)
        place_E = torch.arange(len(world.events), device=world.device)[:: max(len(world.events) // 2000, 1)]
        return -Errors.of(model, world.events, world.events, place_E).rmse
    counts = rank(model, world.last(), world.events)
    return float(ndcg(positions(counts.greater, counts.ties), 10).mean())
