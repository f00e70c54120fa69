"""Models, training events and a validation reading to the best state: learned or solved for."""

import logging
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

import torch

from engine.training.accelerator import accelerator, flushed
from engine.training.contract import Learner, Phase, Phased, Prepared, Recommender, Solver, Tuned
from engine.training.divergence import finite
from engine.training.interactions import Interactions
from engine.training.loop import Loop, Watch
from engine.training.schedule import Progressed, Train, Validated

log = logging.getLogger(__name__)

__all__ = ["Progressed", "Train", "Validated", "Watch", "accelerator", "fit", "leads", "peak_gib"]


def leads() -> bool:
    """Whether this process writes what is to be written once: the only one, or the first that torchrun started."""
    return os.environ.get("RANK", "0") == "0"


def fit(
    model: Recommender,
    train: Interactions,
    reading: Callable[[], float] | Validated | None,
    settings: Train,
    seed: int,
    checkpoint: Path,
    watch: Watch | None = None,
) -> Progressed:
    """Learn or solve; the model ends in its best state by `reading` (higher is better) and the checkpoint is removed.
    A model that is solved for is solved once, or with each of its `choices`; without choices it needs no `reading`.
    Where the reading is what an earlier run chose, nothing is selected: each phase ends at its best epoch there.
    `watch` is told epoch and value of each validation of the last phase; what it raises ends the run, and leaves the
    checkpoint.

    The same arguments give the same result, also when the run was killed and started again.

    Raises:
        FloatingPointError: the loss is not finite, or no choice of settings ends in finite numbers; names epoch and
            step, or the choices.
        TypeError: the model neither learns nor is solved for, or it is selected and there is no reading.
    """
    if isinstance(model, Solver):
        return _solve(model, train, reading)
    if not isinstance(model, Learner):
        raise TypeError(f"{type(model).__name__} is neither a Learner nor a Solver: nothing says how to fit it")
    if reading is None:
        raise TypeError(f"{type(model).__name__} is selected by validation: it needs a reading")
    with flushed():
        return _learn(model, train, reading, settings, seed, checkpoint, watch)


def _learn(
    model: Learner,
    train: Interactions,
    reading: Callable[[], float] | Validated,
    settings: Train,
    seed: int,
    checkpoint: Path,
    watch: Watch | None,
) -> Progressed:
    """Phase by phase. Each keeps its checkpoint until the last has ended, so that a killed run goes on where it was."""
    if isinstance(model, Prepared):
        model.prepare(train)
    phases = model.phases if isinstance(model, Phased) else [Phase("")]
    kept = [checkpoint.with_name(f"{phase.name}-{checkpoint.name}".lstrip("-")) for phase in phases]
    earlier, best_epochs, plateaus = 0.0, dict[str, int](), dict[str, list[int]]()
    for phase, path in zip(phases, kept, strict=True):
        if isinstance(model, Phased):
            model.enter(phase.name)
            log.info("phase %s", phase.name)
        told, how = watch if phase is phases[-1] else None, settings.of(phase.epochs, phase.lr)
        if isinstance(reading, Validated):
            stop = reading.best_epoch.get(phase.name, reading.best_epoch[""]) if phase.selected else 0
            fell = reading.plateaus.get(phase.name, ()) if phase.selected else ()
            done = Loop(model, train, how, seed, path, selected=False).run(lambda: 0.0, stop, fell)
        else:
            done = Loop(model, train, how, seed, path, phase.selected, told).run(reading)
        best_epochs |= {phase.name: done.best_epoch} if phase.selected and phase.name else {}
        plateaus |= {phase.name: done.plateaus} if phase.selected and how.decay == "plateau" else {}
        done.earlier, earlier = earlier, earlier + sum(done.seconds)
    done.capped = not isinstance(reading, Validated) and not done.stale(settings.patience)
    done.best_epochs, done.phase_plateaus = best_epochs, plateaus
    for path in kept if leads() else []:
        path.unlink(missing_ok=True)
    return done


def _solve(model: Solver, train: Interactions, reading: Callable[[], float] | Validated | None) -> Progressed:
    """Solve, or solve with each choice of settings and keep the best; a trial counts as an epoch."""
    done, best = Progressed(), model.state_dict()
    choices = model.choices if isinstance(model, Tuned) else [{}]
    if isinstance(reading, Validated):
        choices, reading = [reading.chosen], None
    for choice in choices:
        started = time.perf_counter()
        if isinstance(model, Tuned):
            model.choose(choice)
        model.solve(train)
        model.eval()
        done.seconds.append(time.perf_counter() - started)
        done.epoch += 1
        if not finite(model):
            log.warning("with %s its numbers are not finite: left out", choice or "these settings")
            continue
        value = reading() if reading else 0.0
        done.readings += [(done.epoch, value)] if reading else []
        if value > done.best:
            done.best, done.best_epoch = value, done.epoch
            best = {name: value.clone() for name, value in model.state_dict().items()}
    if not done.best_epoch:
        tried = ", ".join(map(str, choices)) if isinstance(model, Tuned) else "these settings"
        raise FloatingPointError(f"with {tried} its numbers are not finite: a lower rate or a higher penalty would do")
    model.load_state_dict(best)
    if isinstance(model, Tuned):
        log.info("chosen on validation from %d: %s", done.epoch, model.chosen)
    return done


def peak_gib(device: str) -> float:
    """The process's largest memory so far: on the card where there is one, else resident."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
