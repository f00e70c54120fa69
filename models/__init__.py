"""One recommender a file; the file's name is the model's name in params.yaml."""

import importlib
import importlib.util
import pkgutil
import reprlib
from pathlib import Path
from types import ModuleType
from typing import Any

import engine
from engine.tables.code import digest
from engine.tables.settings import Choice, checked
from engine.training import weights
from engine.training.catalog import Catalog
from engine.training.contract import Recommender
from engine.training.needs import Settings
from engine.training.schedule import Train
from engine.training.weights import TrainedOn

ROOMS = ("tables", "training", "evaluation", "measures")  # of the engine, that a training runs through


def find(name: str) -> ModuleType:
    """The module of a model, with its `Config` and `build`.

    Raises:
        KeyError: there is no such model; names those there are.
    """
    names = sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.ispkg)
    if name not in names:
        raise KeyError(f"no model {name!r}; there are {names}")
    return importlib.import_module(f"models.{name}")


def code(name: str) -> str:
    """A digest of all code that a training of the model runs."""
    here, rooms = Path(__file__).parent, [Path(engine.__path__[0], room) for room in ROOMS]
    return digest(here / "__init__.py", here / f"{name}.py", here / "blocks", *rooms)


def configure(choice: Choice) -> Settings:
    """A model's section, checked: a key that it does not know is refused by name."""
    settings = {key: value for key, value in choice.settings.items() if key != "train"}
    config: Settings = checked(find(choice.name).Config, settings, f"models.{choice.name}")
    return config


def learning(choice: Choice, general: dict[str, Any]) -> Train:
    """How a model learns: a section `train` in its own overrides the general one.

    Raises:
        ValueError: each wrong key, with the section that it stands in.
    """
    own, section = choice.settings.get("train", {}), f"models.{choice.name}.train"
    if not isinstance(own, dict):
        raise ValueError(f"params.yaml: {section} is {reprlib.repr(own)}, expected a section")
    places = {key: f"train.{key}" for key in general} | {key: f"{section}.{key}" for key in own}
    return checked(Train, general | own, places | {"": "train"})


def build(choice: Choice, catalog: Catalog, users: int) -> Recommender:
    """The model of a section, its parameters drawn from torch's global generator."""
    model: Recommender = find(choice.name).build(configure(choice), catalog, users)
    return model


def restore(
    choice: Choice, catalog: Catalog, users: int, path: Path, data: TrainedOn, device: str = "cpu"
) -> Recommender:
    """The model of a section with the weights at a path, ready to rank what it was trained on.

    Raises:
        FileNotFoundError: there are no weights.
        ValueError: the file holds no weights, or such as were learned by another model, other settings or from other
            data; names both sides, or what is missing, unknown or of another shape.
    """
    config = configure(choice)
    learned, state = weights.load(path, device)
    by_person = any(value.ndim and len(value) == users + 1 for value in state.values())
    told = learned.differs(weights.Learned.of(choice.name, config, data), type(config), by_person)
    if not told:
        model = build(choice, catalog, users).to(device)
        try:
            model.load_state_dict(state)
            return model.eval()
        except (RuntimeError, TypeError, AttributeError) as error:
            told = weights.difference(model.state_dict(), state) or str(error)
    raise ValueError(f"{path} does not hold models.{choice.name} as it is set: {told}")
