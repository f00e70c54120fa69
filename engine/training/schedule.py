"""How a run of training is to go, and how far it has come."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from engine.tables.settings import Record

HALVED = 10  # epochs, as MAHN's authors have it
FEW = 16  # rows in a step that are not made fewer
PLATEAU, FALL = 4, 1 / 3  # validations, and what is left of the rate after them


class Train(Record):
    """How a model learns by gradient descent."""

    epochs: int = Field(40, ge=1, description="epochs at most")
    batch_size: int = Field(64, ge=1, description="rows a step: windows of history, or pairs where a model takes none")
    steps: int = Field(
        0, ge=0, description=f"steps an epoch at least: small data is learnt in smaller batches, down to {FEW}; 0: any"
    )
    lr: float = Field(0.001, gt=0, description="learning rate of the first epoch")
    weight_decay: float = Field(0.0, ge=0, description="half the weight of the squared matrices beside the loss")
    clip: float = Field(5.0, ge=0, description="largest norm of the gradient; 0: any")
    patience: int = Field(5, ge=1, description="validations without a gain before the run ends")
    every: int = Field(1, ge=1, description="epochs between validations")
    decay: Literal["none", "cosine", "halved", "plateau"] = Field(
        "none",
        description="how the rate falls: not, along a cosine to the last epoch, by half every 10 epochs, or to a third "
        "after every 4 validations without a gain",
    )
    average: float = Field(
        0.0, ge=0, le=1, description="what is validated and kept is the mean over this last share of the steps; 0: not"
    )
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "64-true"] = Field("32-true", description="of the numbers")
    save: float = Field(10.0, ge=0, description="seconds between checkpoints; 0: one an epoch")
    validated: str = Field("", description="where nothing validates: the git revision whose run chose the epochs")

    def of(self, epochs: int | None, lr: float | None) -> "Train":
        """These settings with other epochs and another rate, where they are given."""
        return self.model_copy(update={"epochs": epochs or self.epochs, "lr": lr or self.lr})

    def rows(self, units: int) -> int:
        """Rows a step where an epoch has so many windows or pairs."""
        return min(self.batch_size, max(units // self.steps, FEW)) if self.steps else self.batch_size

    @model_validator(mode="after")
    def _falls_before_it_ends(self) -> Self:
        if self.decay == "plateau" and self.patience <= PLATEAU:
            raise ValueError(
                f"patience: {self.patience} ends a run before decay: plateau lowers the rate, which it does after "
                f"{PLATEAU} validations without a gain; a patience of {2 * PLATEAU} lets it try the lower one as long"
            )
        return self

    def rate(self, epoch: int, plateaus: Sequence[int] = ()) -> float:
        """The learning rate of an epoch from 1: `lr`, or falling from it as `decay` says. `plateaus`: the epochs that
        ended one (`decay: plateau`).
        """
        if self.decay == "plateau":
            return self.lr * FALL ** sum(end < epoch for end in plateaus)
        if self.decay == "halved":
            return self.lr * 0.5 ** ((epoch - 1) // HALVED)
        share = (1 + math.cos(math.pi * (epoch - 1) / self.epochs)) / 2 if self.decay == "cosine" else 1.0
        return self.lr * share


@dataclass(frozen=True)
class Validated:
    """What an earlier run chose on validation: the best epoch by phase ('': the last), the settings of a solver, and
    where the rate fell, by phase.
    """

    best_epoch: dict[str, int]
    chosen: dict[str, float]
    plateaus: dict[str, list[int]] = field(default_factory=dict)


@dataclass
class Progressed:
    """What a run has come to: readings an epoch, the best one and its state; all that a resumed run needs.

    `earlier`: seconds of the phases before. `capped`: the last phase ended at its last epoch, not by patience.
    `best_epochs`: of each phase that has a name and was selected. `phase_plateaus`: of each that was selected.
    """

    epoch: int = 0
    losses: list[float] = field(default_factory=list)
    readings: list[tuple[int, float]] = field(default_factory=list)
    best: float = -math.inf
    best_epoch: int = 0
    seconds: list[float] = field(default_factory=list)
    earlier: float = 0.0
    capped: bool = False
    best_epochs: dict[str, int] = field(default_factory=dict)
    phase_plateaus: dict[str, list[int]] = field(default_factory=dict)

    @property
    def seconds_to_the_best(self) -> float:
        """Of learning, without validations, all phases together."""
        return self.earlier + sum(self.seconds[: self.best_epoch])

    @staticmethod
    def kept(state: dict[str, Any]) -> "Progressed":
        """From what a checkpoint holds of it."""
        readings = [(int(epoch), float(value)) for epoch, value in state["readings"]]
        return Progressed(**state | {"readings": readings})

    @property
    def plateaus(self) -> list[int]:
        """The epochs that ended one: `PLATEAU` validations in a row without a gain, the rate the same for all."""
        best, since, found = -math.inf, 0, list[int]()
        for epoch, value in self.readings:
            best, since = (value, 0) if value > best else (best, since + 1)
            if since == PLATEAU:
                found.append(epoch)
                since = 0
        return found

    @property
    def risen(self) -> float:
        """How much better the best of the last quarter of epochs reads than the best before, as a share of that."""
        border = self.epoch * 0.75
        early = max((value for epoch, value in self.readings if epoch <= border), default=0.0)
        late = max((value for epoch, value in self.readings if epoch > border), default=0.0)
        return (late - early) / abs(early) if early and late else 0.0

    def stale(self, patience: int) -> bool:
        """Whether the last `patience` validations brought nothing better."""
        return sum(epoch > self.best_epoch for epoch, _ in self.readings) >= patience

    @property
    def seconds_an_epoch(self) -> float:
        """The median, without validation."""
        return statistics.median(self.seconds) if self.seconds else 0.0
