"""A model's weights on disk, with what they were learned by: they are read as that, or refused."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from engine.tables.files import reading
from engine.tables.settings import Record, sides
from engine.training import checkpoint
from engine.training.needs import Settings

NAMED = 3  # tensors of each kind


class TrainedOn(Record):
    """The protocol whose training events weights know, what their views were made by, and digests of the people and
    of the items in the order of their rows, of the topics and of the training events ('': they may be any).
    """

    protocol: str
    views: dict[str, dict[str, Any]]
    people: str
    items: str
    topics: str
    events: str = ""


class Learned(Record):
    """The model that weights are of, its settings with all defaults, and the data."""

    model: str
    settings: dict[str, Any]
    data: TrainedOn

    @staticmethod
    def of(model: str, config: Settings, data: TrainedOn) -> "Learned":
        """By the model's checked section."""
        return Learned(model=model, settings=config.model_dump(mode="json"), data=data)

    def differs(self, asked: "Learned", config: type[Settings], by_person: bool) -> str:
        """Where it is not what is asked, both sides of each; nothing where it is. Settings that came later have their
        defaults; people may be others, but for weights with a row a person.
        """
        if self.model != asked.model:
            return f"they are of {self.model}"
        try:
            settings = config.model_validate(self.settings).model_dump(mode="json")
        except ValidationError:
            return "they were learned by settings that this version does not know"
        there, here = self.data, asked.data
        found = [
            ("protocol", there.protocol, here.protocol),
            *sides(f"models.{self.model}", settings, asked.settings),
            *sides("views", there.views, here.views),
        ]
        told = [f"{name} was {one!r} and is {other!r}" for name, one, other in found if one != other]
        digests = {"items": (there.items, here.items), "topics": (there.topics, here.topics)}
        digests |= {"people": (there.people, here.people)} if by_person else {}
        digests |= {"training events": (there.events, here.events)} if there.events and here.events else {}
        return "; ".join(told + [f"the {name} were others" for name, (one, other) in digests.items() if one != other])


def save(state: Mapping[str, Tensor], learned: Learned, path: Path) -> None:
    """Write weights whole."""
    checkpoint.save({"learned": learned.model_dump(), "weights": {k: v.cpu() for k, v in state.items()}}, path)


def load(path: Path, device: str) -> tuple[Learned, dict[str, Tensor]]:
    """What `save` wrote.

    Raises:
        FileNotFoundError: there is nothing.
        ValueError: the file holds no weights, or such as do not say what they were learned by.
    """
    if not reading(path).exists():
        raise FileNotFoundError(f"{path}: no weights there; `dvc repro train` makes them")
    try:
        found = torch.load(path, weights_only=True, map_location=device)
    except Exception as error:
        raise ValueError(f"{path} holds no weights ({error!r}); `dvc repro train` makes some") from error
    try:
        learned, state = Learned.model_validate(found["learned"]), dict(found["weights"])
        if all(isinstance(one, Tensor) for one in state.values()):
            return learned, state
    except (KeyError, TypeError, ValueError, IndexError):
        pass
    raise ValueError(f"{path} holds no weights that say what they were learned by; `dvc repro train` makes some")


def difference(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """What some weights lack of a model's, what they have that it does not know, and what has another shape; nothing
    where they do not differ.
    """
    both = [name for name in wanted if name in found and found[name].shape != wanted[name].shape]
    kinds = {
        "missing": [name for name in wanted if name not in found],
        "unknown": [str(name) for name in found if name not in wanted],
        "of another shape": [f"{one} {list(found[one].shape)} for {list(wanted[one].shape)}" for one in both],
    }
    told = [f"{len(some)} {kind} ({_first(some)})" for kind, some in kinds.items() if some]
    return f"of its {len(wanted)} tensors {', '.join(told)}" if told else ""


def _first(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")
