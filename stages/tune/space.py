"""What is searched of a model's settings: `papers/spaces.yaml`, its common part and the model's own."""

import pkgutil
from pathlib import Path
from typing import Any

import optuna
from pydantic import Field, model_validator

import models
from engine.tables.params import read_yaml
from engine.tables.settings import Choice, Record, checked
from engine.training.schedule import Train
from stages.tune.settled import Value, settle

LR = "train.lr"  # every learner's is searched alike


class Dimension(Record):
    """Values to choose from (`any`), or all between `low` and `high`: whole numbers where both are."""

    any: tuple[Value, ...] = Field((), description="values to choose from")
    low: int | float | None = Field(None, description="the least")
    high: int | float | None = Field(None, description="the most")
    log: bool = Field(False, description="whether ratios count, not differences")

    @model_validator(mode="after")
    def _one_or_the_other(self) -> "Dimension":
        ranged = self.low is not None and self.high is not None and self.low < self.high
        if len({(type(one), one) for one in self.any}) > 1 and self.low is None and self.high is None and not self.log:
            return self
        if self.any or not ranged or (self.log and (self.low or 0) <= 0):
            raise ValueError("two values at least under `any`, or `low` below `high` (above 0 with `log`)")
        return self

    @property
    def distribution(self) -> optuna.distributions.BaseDistribution:
        """As optuna draws from it."""
        if self.any:
            return optuna.distributions.CategoricalDistribution(self.any)
        if isinstance(self.low, int) and isinstance(self.high, int):
            return optuna.distributions.IntDistribution(self.low, self.high, log=self.log)
        assert self.low is not None
        assert self.high is not None
        return optuna.distributions.FloatDistribution(self.low, self.high, log=self.log)

    def holds(self, value: object) -> bool:
        """Whether a value lies in it."""
        if isinstance(value, bool | str) or self.any:
            return any(value == one and type(value) is type(one) for one in self.any)
        return isinstance(value, int | float) and (self.low or 0) <= value <= (self.high or 0)

    @property
    def ends(self) -> tuple[Value, ...]:
        """Values that stand for all: each, or the least and the most."""
        if self.any:
            return self.any
        return tuple(end for end in (self.low, self.high) if end is not None)


class Spaces(Record):
    """The file: what is searched of every learner that has it, and of one model besides or instead."""

    common: dict[str, Dimension]
    models: dict[str, dict[str, Dimension | None]] = Field({}, description="an empty setting takes the common one away")


def read(path: Path) -> Spaces:
    """The file, checked.

    Raises:
        ValueError: it is none, it searches one model's learning rate in its own way, or it names an unknown model, or
            in its common part a setting that no model has.
    """
    try:
        found = checked(Spaces, read_yaml(path), {})
    except ValueError as error:
        raise ValueError(str(error).replace("params.yaml: ", f"{path}: ")) from None
    if own := [name for name, space in found.models.items() if LR in space]:
        raise ValueError(f"{path}: models.{own[0]}: {LR} is searched alike for all; it stands under `common`")
    names = {module.name for module in pkgutil.iter_modules(models.__path__) if not module.ispkg}
    if unknown := sorted(found.models.keys() - names):
        raise ValueError(f"{path}: models.{unknown[0]}: there is no such model; there are {', '.join(sorted(names))}")
    for key in found.common:
        if not _anyone_has(key, sorted(names)):
            raise ValueError(
                f"{path}: common.{key}: no model has this setting; one of train.… or of a model's would do"
            )
    return found


def _anyone_has(key: str, names: list[str]) -> bool:
    if key.startswith("train."):
        return key.removeprefix("train.") in Train.model_fields
    return any(key in models.find(name).Config.model_fields for name in names)


def dimensions(spaces: Spaces, choice: Choice, learns: bool) -> dict[str, Dimension]:
    """What is searched of a model, by setting: the common part where the model has it (and `train.` only where it
    learns by descent), then the model's own.

    Raises:
        ValueError: a setting or a value that the model does not take, by name.
    """
    keys = models.find(choice.name).Config.model_fields
    own = spaces.models.get(choice.name, {})
    there = {
        key: space
        for key, space in spaces.common.items()
        if (learns and key.startswith("train.")) or (key in keys and not isinstance(choice.settings.get(key), list))
    }
    found = {key: space for key, space in (there | own).items() if space is not None}
    for key, space in found.items():
        for value in space.ends:
            _refuse_misfit(choice, key, value)
    return dict(sorted(found.items()))


def _refuse_misfit(choice: Choice, key: str, value: Value) -> None:
    try:
        settle(choice, {key: value})
    except ValueError as error:
        why = str(error).removeprefix("params.yaml: ")
        raise ValueError(f"what is searched of {choice.name} (--spaces): {key}: {why}") from None


def start(space: dict[str, Dimension], choice: Choice, learning: Train) -> dict[str, Value]:
    """What of the settings as they stand lies in the space: the first trial goes by it."""
    settled = models.configure(choice).model_dump() | {"train": learning.model_dump()}
    found = {}
    for key, dimension in space.items():
        value: Any = settled
        for part in key.split("."):
            value = value[part]
        if dimension.holds(value):
            found[key] = value
    return found
