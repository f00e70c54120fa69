"""One recommender a file; the file's name is the model's name in params.yaml."""

import importlib
import importlib.util
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from engine.tables.files import reading
from engine.tables.settings import Choice, checked
from engine.training.catalog import Catalog
from engine.training.contract import Recommender
from engine.training.needs import Settings
from engine.training.schedule import Train


def find(name: str) -> ModuleType:
    """The module of a model, with its `Config` and `build`.

    Raises:
        KeyError: there is no such model; names those there are.
    """
    names = sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.ispkg)
    if name not in names:
        raise KeyError(f"no model {name!r}; there are {names}")
    return importlib.import_module(f"models.{name}")


def configure(choice: Choice) -> Settings:
    """A model's section, checked: a key that it does not know is refused by name."""
    settings = {key: value for key, value in choice.settings.items() if key != "train"}
    config: Settings = checked(find(choice.name).Config, settings, f"models.{choice.name}")
    return config


def learning(choice: Choice, general: dict[str, Any]) -> Train:
    """How a model learns: a section `train` in its own overrides the general one."""
    return checked(Train, general | choice.settings.get("train", {}), "train")


def build(choice: Choice, catalog: Catalog, users: int) -> Recommender:
    """The model of a section, its parameters drawn from torch's global generator."""
    model: Recommender = find(choice.name).build(configure(choice), catalog, users)
    return model


def restore(choice: Choice, catalog: Catalog, users: int, weights: Path, device: str = "cpu") -> Recommender:
    """The model of a section with trained weights, ready to rank.

    Raises:
        FileNotFoundError: there are no weights.
        ValueError: the file holds no weights, or not this model's; names what is missing, unknown or of another shape.
    """
    model = build(choice, catalog, users).to(device)
    if not reading(weights).exists():
        raise FileNotFoundError(f"{weights}: no weights there; `dvc repro train` makes them")
    try:
        state = torch.load(weights, weights_only=True, map_location=device)
    except Exception as error:
        raise ValueError(f"{weights} holds no weights ({error!r}); `dvc repro train` makes some") from error
    try:
        model.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise ValueError(f"{weights} does not hold models.{choice.name} as it is set: {error}") from None
    return model.eval()
