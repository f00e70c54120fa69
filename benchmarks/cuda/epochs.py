"""Epochs of sasrec, gru4rec and ante_rnn at the size of MovieLens 1M: with and without TF32 and torch.compile."""

import statistics
import tempfile
import warnings
from pathlib import Path

import torch

import models
from benchmarks.cuda.fits import settings
from benchmarks.cuda.report import Found, Report, peak_memory, tf32
from benchmarks.cuda.settings import choice
from benchmarks.cuda.world import MOVIELENS_1M, SMALL, World
from engine.training.fit import fit

ROWS = {"sasrec": 256, "gru4rec": 256, "ante_rnn": 256}  # windows of history a step
WAYS = {  # TF32, torch.compile, precision
    "fp32": (False, False, "32-true"),
    "tf32": (True, False, "32-true"),
    "bf16": (True, False, "bf16-mixed"),
    "tf32_compiled": (True, True, "32-true"),
}


def run(report: Report, device: torch.device, small: bool) -> None:
    """An entry a model and way; the compiled ones, which take longest to begin, last."""
    world = World(SMALL if small else MOVIELENS_1M, device)
    shape = world.shape
    size = {"people": shape.people, "items": shape.items, "events": len(world.events), "rows_a_step": ROWS}
    report.add("size", size)
    for way in WAYS:
        for name in ROWS if not (small and WAYS[way][1]) else ["gru4rec"]:
            need = 5 if small else 60 if WAYS[way][1] else 25
            report.attempt(f"{name}.{way}", lambda n=name, w=way: one(n, world, w, small), need)  # type: ignore[misc]


def one(name: str, world: World, way: str, small: bool) -> Found:
    """Events a second of the median epoch after the first, which warms up (and compiles)."""
    fast, compiled, precision = WAYS[way]
    torch.manual_seed(1)
    model = models.build(choice(name, small), world.catalog, world.shape.people).to(world.device)
    if compiled:
        torch._dynamo.reset()
        model.__class__ = compiled_loss(type(model), "eager" if small else "inductor")
    found: Found = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        tf32(fast),
        peak_memory(world.device, found),
        warnings.catch_warnings(),
    ):
        if compiled:  # torch.compile warns of its own steps
            warnings.simplefilter("ignore")
        train = settings(name, 3, precision, ROWS[name])
        done = fit(model, world.events, lambda: 0.0, train, 1, Path(folder, "run.pt"))
    seconds = statistics.median(done.seconds[1:])
    found |= {"seconds_an_epoch": round(seconds, 3), "first_epoch": round(done.seconds[0], 3)}
    return found | {"events_a_second": round(len(world.events) / seconds), "loss": done.losses[-1]}


def compiled_loss(model: type, backend: str) -> type:
    """The model's class with its loss compiled."""
    return type(model.__name__, (model,), {"loss": torch.compile(model.loss, dynamic=True, backend=backend)})  # type: ignore[attr-defined]
