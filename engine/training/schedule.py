"""How a run of training is to go, and how far it has come."""

import math
import statistics
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from engine.tables.settings import Record


class Train(Record):
    """How to learn: `batch_size` rows a step, stop after `patience` validations without a gain, a checkpoint every
    `save` seconds.
    """

    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    lr: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    clip: float = Field(ge=0, description="largest norm of the gradient; 0: none")
    patience: int = Field(ge=1)
    every: int = Field(1, ge=1, description="epochs between validations")
    decay: Literal["none", "cosine"] = "none"
    precision: str = "32-true"
    save: float = Field(10.0, ge=0)

    def rate(self, epoch: int) -> float:
        """The learning rate of an epoch from 1: `lr`, or falling from it along half a cosine over `epochs`."""
        share = (1 + math.cos(math.pi * (epoch - 1) / self.epochs)) / 2 if self.decay == "cosine" else 1.0
        return self.lr * share


@dataclass
class Progressed:
    """What a run has come to: readings an epoch, the best one and its state; all that a resumed run needs."""

    epoch: int = 0
    losses: list[float] = field(default_factory=list)
    readings: list[tuple[int, float]] = field(default_factory=list)
    best: float = -math.inf
    best_epoch: int = 0
    seconds: list[float] = field(default_factory=list)

    def stale(self, patience: int) -> bool:
        """Whether the last `patience` validations brought nothing better."""
        return sum(epoch > self.best_epoch for epoch, _ in self.readings) >= patience

    @property
    def seconds_an_epoch(self) -> float:
        """The median, without validation."""
        return statistics.median(self.seconds) if self.seconds else 0.0
