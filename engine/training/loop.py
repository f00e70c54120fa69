"""One run of gradient descent: steps, validations, checkpoints; the same again after a kill.

Under torchrun several processes take each step together: `batch_size` is of all of them, each learns from its share of
the rows, what is drawn is drawn alike in all, and the first one validates and saves.
"""

import logging
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from rich.progress import Progress
from torch import Tensor

from engine.training import checkpoint
from engine.training.average import Average
from engine.training.batch import Batch
from engine.training.contract import Learner
from engine.training.divergence import refuse_divergence
from engine.training.interactions import Interactions
from engine.training.interrupt import delayed
from engine.training.optimizer import adam
from engine.training.processes import processes
from engine.training.schedule import Progressed, Train
from engine.training.steps import Steps, units

log = logging.getLogger(__name__)

KEPT = ("progress", "model", "best", "optimizer", "epochs", "average")  # of a run, in its checkpoint
APART = 1_000_000_007  # between the seeds of processes, so that their dropouts differ

Watch = Callable[[int, float], None]  # told the epoch and the value of a validation


class Loop:
    """A model's training, at some epoch."""

    def __init__(
        self,
        model: Learner,
        train: Interactions,
        settings: Train,
        seed: int,
        checkpoint: Path,
        selected: bool = True,
        watch: Watch | None = None,
    ):
        self.watch = watch or (lambda epoch, value: None)
        self.train, self.settings, self.seed, self.checkpoint = train, settings, seed, checkpoint
        self.selected = selected
        self.fabric = processes(train.item_E.device.type, settings.precision)
        self.first = self.fabric.global_rank == 0
        self.model = model
        rows = settings.rows(units(train, model.needs))
        self.steps = Steps(train, model.needs, rows, self.fabric.global_rank, self.fabric.world_size)
        self.wrapped, self.optimizer = self.fabric.setup(model, adam(model, settings, train.item_E.device.type))
        self.wrapped.mark_forward_method("loss")
        self.average = Average(model, settings.average)
        self.state = Progressed()
        self.best_state: dict[str, Tensor] = {}
        self.plateaus: Sequence[int] = ()  # of an earlier run, where nothing validates

    def run(self, reading: Callable[[], float], stop: int = 0, plateaus: Sequence[int] = ()) -> Progressed:
        """To the end that the settings give (or to epoch `stop`, at the rates of a run to that end, which had these
        `plateaus`), or at once where a resumed run is past it; then to its best epoch, or to its last where none is
        `selected`. The checkpoint of the end stays: whoever called removes it.
        """
        end, self.plateaus = stop or self.settings.epochs, plateaus
        self._resume(end)
        for epoch, value in self.state.readings:
            self.watch(epoch, value)
        try:
            self._learn(reading, end)
        except KeyboardInterrupt:
            if self.first and self.checkpoint.exists():
                log.warning("stopped: run it again to go on, or with epochs: 1 to end at once at its best epoch so far")
            raise
        if self.selected:
            if not self.best_state:
                self._validate(reading)
            self.model.load_state_dict(self.best_state)
        else:
            self.state.best_epoch = self.state.epoch
            self.average.take()
        self.model.eval()
        return self.state

    def _learn(self, reading: Callable[[], float], end: int) -> None:
        settings, saved = self.settings, -math.inf  # the first epoch is kept at once
        kept, alone = self.state.epoch, self.fabric.world_size == 1
        with (
            Progress(transient=True, disable=not self.first) as progress,
            delayed(lambda: alone and kept < self.state.epoch) as interrupt,
        ):
            task = progress.add_task("training", total=end, completed=self.state.epoch)
            while self.state.epoch < end and not self.state.stale(settings.patience):
                self._epoch(self.state.epoch + 1)
                last = self.state.epoch == end
                if self.selected and (last or self.state.epoch % settings.every == 0):
                    self._validate(reading)
                if interrupt.asked or last or time.monotonic() - saved >= settings.save:
                    saved, kept = self._save(), self.state.epoch
                if interrupt.asked:
                    raise KeyboardInterrupt
                told = f"loss {self.state.losses[-1]:.4f} best {self.state.best:.4f}"
                progress.update(task, advance=1, description=told)

    def _epoch(self, epoch: int) -> None:
        torch.manual_seed(self.seed * 100_003 + epoch + APART * self.fabric.global_rank)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.rate(epoch, self.plateaus or self.state.plateaus)
        self.model.train()
        started = time.perf_counter()
        total, targets = 0.0, 0
        for step, (batch, own) in enumerate(self.steps.epoch(generator)):
            value, count, norm = self._step(batch, own)
            refuse_divergence(f"epoch {epoch}, step {step}", value, norm, self.settings)
            total += value * count
            targets += count
        self.state.epoch = epoch
        self.state.seconds.append(time.perf_counter() - started)
        self.state.losses.append(total / max(targets, 1))
        if self.first:
            log.info("epoch %d: loss %.4f, %.1f s", epoch, self.state.losses[-1], self.state.seconds[-1])

    def _step(self, batch: Batch, own: bool) -> tuple[float, int, float]:
        """The mean loss over a step's targets, how many they are and the gradient's norm, all processes' together.

        Each process's loss is a mean over its own targets, and gradients become the mean over processes: so it is
        weighed by its share of the targets. Not `own`: the batch only stands in for rows that there are too few of.
        """
        with self.fabric.autocast():  # which Fabric does for `forward` alone, unless processes share the work
            loss: Tensor = self.wrapped.loss(batch)
        count = int((batch.target_BL > 0).sum()) if own and batch.target_BL is not None else 0
        if self.fabric.world_size > 1:
            several = self.fabric.all_reduce(torch.tensor(count, device=loss.device), reduce_op="sum")
            part, count = count, int(several)  # type: ignore[arg-type]
            loss = loss * (part * self.fabric.world_size / count)
        self.fabric.backward(loss)
        norm = self._clip()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.update()
        return float(self.fabric.all_reduce(loss.detach(), reduce_op="mean")), count, norm  # type: ignore[arg-type]

    def _clip(self) -> float:
        """The norm of the gradient before it is clipped; 0 where it may be any. Of 16-mixed one that is not finite is
        no fault: the step is left out and the scale lowered.
        """
        if not self.settings.clip:
            return 0.0
        asked = {"max_norm": self.settings.clip, "error_if_nonfinite": False}
        norm = self.fabric.clip_gradients(self.wrapped, self.optimizer, **asked)  # type: ignore[arg-type]
        return 0.0 if norm is None or self.settings.precision == "16-mixed" else float(norm)

    def _validate(self, reading: Callable[[], float]) -> None:
        with self.average.taken():
            value = self.fabric.broadcast(reading() if self.first else 0.0)
            self.state.readings.append((self.state.epoch, value))
            if value > self.state.best:
                self.state.best, self.state.best_epoch = value, self.state.epoch
                self.best_state = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        if self.first:
            log.info("epoch %d: validation %.4f", self.state.epoch, value)
        self.watch(self.state.epoch, value)

    def _save(self) -> float:
        """Keep the run as it is, and say when."""
        learnt = (self.state.__dict__, self.model.state_dict(), self.best_state, self.optimizer.state_dict())
        parts = (*learnt, self.settings.epochs, self.average.state())
        if self.first:
            checkpoint.save(dict(zip(KEPT, parts, strict=True)), self.checkpoint)
        return time.monotonic()

    def _resume(self, end: int) -> None:
        state = checkpoint.load(self.checkpoint, set(KEPT)) if self.first else None
        state = self.fabric.broadcast(state)  # the others may not see the first one's disk
        if state is None:
            return
        progress = Progressed.kept(state["progress"])
        if progress.epoch > end and not self.selected:
            return  # there is no way back
        goes_on = progress.epoch < end and not progress.stale(self.settings.patience)
        if goes_on and self.settings.decay == "cosine" and state["epochs"] != self.settings.epochs:
            if self.first:
                log.warning("the rate falls over %d epochs, not %d: starts anew", self.settings.epochs, state["epochs"])
            return
        try:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.average.resume(state["average"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise ValueError(f"{self.checkpoint}: of another model ({error}); remove it to start anew") from error
        self.best_state, self.state = state["best"], progress
        if self.first:
            log.info("resumed after epoch %d from %s", progress.epoch, self.checkpoint.name)
