"""One run of gradient descent: steps, validations, checkpoints; the same again after a kill."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from rich.progress import Progress
from torch import Tensor

from engine.batch import Batch, Interactions
from engine.contract import Learner
from engine.sampling import Negatives, Shared, batches
from engine.schedule import Progressed, Train
from engine.store import whole

log = logging.getLogger(__name__)


class Loop:
    """A model's training, at some epoch."""

    def __init__(self, model: Learner, train: Interactions, settings: Train, seed: int, checkpoint: Path):
        self.train, self.settings, self.seed, self.checkpoint = train, settings, seed, checkpoint
        world = int(os.environ.get("WORLD_SIZE", "1"))
        self.fabric = Fabric(
            accelerator=train.item_E.device.type,
            devices=int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
            num_nodes=max(world // int(os.environ.get("LOCAL_WORLD_SIZE", "1")), 1),
            strategy="ddp" if world > 1 else "auto",
            precision=settings.precision,  # type: ignore[arg-type]
        )
        if world > 1:
            self.fabric.launch()
        self.model, self.needs = model, model.needs
        self.negatives = Negatives(train) if self.needs.negatives else None
        self.shared = Shared(train) if self.needs.shared else None
        decayed = [p for p in model.parameters() if p.ndim > 1]
        plain = [p for p in model.parameters() if p.ndim <= 1]
        groups = [
            {"params": decayed, "weight_decay": 2 * settings.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ]
        fused = train.item_E.device.type == "cpu"  # a card's own choice is as fast, and lets precision scale
        optimizer = torch.optim.Adam([g for g in groups if g["params"]], lr=settings.lr, fused=fused)
        self.wrapped, self.optimizer = self.fabric.setup(model, optimizer)
        self.wrapped.mark_forward_method("loss")
        self.state = Progressed()
        self.best_state: dict[str, Tensor] = {}

    def run(self, reading: Callable[[], float]) -> Progressed:
        self._resume()
        saved = time.monotonic()
        with Progress(transient=True) as progress:
            task = progress.add_task("training", total=self.settings.epochs, completed=self.state.epoch)
            while self.state.epoch < self.settings.epochs and not self.state.stale(self.settings.patience):
                self._epoch(self.state.epoch + 1)
                if self.state.epoch % self.settings.every == 0 or self.state.epoch == self.settings.epochs:
                    self._validate(reading())
                if time.monotonic() - saved >= self.settings.save:
                    self._save()
                    saved = time.monotonic()
                progress.update(
                    task, advance=1, description=f"loss {self.state.losses[-1]:.4f} best {self.state.best:.4f}"
                )
        self.model.load_state_dict(self.best_state)
        self.model.eval()
        self.checkpoint.unlink(missing_ok=True)
        return self.state

    def _epoch(self, epoch: int) -> None:
        torch.manual_seed(self.seed * 100_003 + epoch)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.rate(epoch)
        self.model.train()
        started = time.perf_counter()
        total, targets = torch.zeros((), dtype=torch.float64), 0
        for step, batch in enumerate(self._batches(generator)):
            count = int((batch.target_BL > 0).sum()) if batch.target_BL is not None else 0
            loss = self._step(batch, count)
            value = loss.item()
            if value != value or value in (float("inf"), float("-inf")):
                raise FloatingPointError(
                    f"epoch {epoch}, step {step}: the loss is {value}; nothing was kept. A lower lr "
                    f"(now {self.settings.lr}), a smaller clip (now {self.settings.clip}) or 32-true precision would do"
                )
            total += value * count
            targets += count
        self.state.epoch = epoch
        self.state.seconds.append(time.perf_counter() - started)
        self.state.losses.append(float(total) / max(targets, 1))
        log.info("epoch %d: loss %.4f, %.1f s", epoch, self.state.losses[-1], self.state.seconds[-1])

    def _step(self, batch: Batch, count: int) -> Tensor:
        loss: Tensor = self.wrapped.loss(batch)
        if self.fabric.world_size > 1:  # each process holds some of the targets: the mean is over all of them
            whole_count = self.fabric.all_reduce(torch.tensor(float(count)), reduce_op="sum")
            loss = loss * (count * self.fabric.world_size / whole_count)  # type: ignore[operator]
        self.fabric.backward(loss)
        if self.settings.clip:
            self.fabric.clip_gradients(self.wrapped, self.optimizer, max_norm=self.settings.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    def _batches(self, generator: torch.Generator) -> Iterator[Batch]:
        """An epoch in steps; where several processes learn, each takes its share of every step's rows."""
        device, size = self.train.item_E.device, self.settings.batch_size
        rank, world = self.fabric.global_rank, self.fabric.world_size
        if self.needs.length and not self.needs.pairs:
            for start_B, stop_B in batches(self.train, self.needs.length, size, generator, self.needs.ahead):
                yield self._drawn(self.train.targets(start_B[rank::world], stop_B[rank::world], self.needs), generator)
        else:
            place_E = torch.randperm(len(self.train), generator=generator).to(device)
            for first in range(0, len(place_E), size):
                part_B = place_E[first + rank : first + size : world]
                yield self._drawn(self.train.pairs(part_B, self.needs), generator)

    def _drawn(self, batch: Batch, generator: torch.Generator) -> Batch:
        if self.negatives is not None and batch.target_BL is not None:
            shape = (*batch.target_BL.shape, self.needs.negatives)
            batch = batch.but(negative_BLK=self.negatives.draw(batch.user_B, shape, generator))
        return self.shared.draw(batch, self.needs.shared, generator) if self.shared is not None else batch

    def _validate(self, value: float) -> None:
        self.state.readings.append((self.state.epoch, value))
        log.info("epoch %d: validation %.4f", self.state.epoch, value)
        if value > self.state.best:
            self.state.best, self.state.best_epoch = value, self.state.epoch
            self.best_state = {k: v.detach().clone() for k, v in self.model.state_dict().items()}

    def _save(self) -> None:
        if self.fabric.global_rank:
            return
        state: dict[str, Any] = {
            "progress": self.state.__dict__,
            "model": self.model.state_dict(),
            "best": self.best_state,
            "optimizer": self.optimizer.state_dict(),
        }
        with whole(self.checkpoint) as temporary:
            torch.save(state, temporary)

    def _resume(self) -> None:
        if not self.checkpoint.exists():
            return
        state = torch.load(self.checkpoint, weights_only=True, map_location=self.train.item_E.device)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.best_state = state["best"]
        self.state = Progressed(**state["progress"])
        self.state.readings = [(int(epoch), float(value)) for epoch, value in self.state.readings]
        log.info("resumed after epoch %d from %s", self.state.epoch, self.checkpoint.name)
