"""A model with its trained weights; where they are not its own, what differs and where others may be."""

from typing import Any

import torch

import models
from engine.tables.files import reading
from engine.tables.layout import Layout
from engine.tables.settings import Choice
from engine.training.catalog import Catalog
from engine.training.contract import Recommender

NAMED = 3  # tensors of each kind


def restored(choice: Choice, catalog: Catalog, users: int, layout: Layout, device: str) -> Recommender:
    """The model of a section with the weights under a layout, ready to rank.

    Raises:
        FileNotFoundError: there are none.
        ValueError: they are none, or not this model's; says in numbers what differs, and what makes its own.
    """
    train = f"python -m stages.train {layout.root} --protocol {layout.protocol} model={choice.name}"
    made = f"`{train} --results FOLDER --readings FOLDER` makes its own, and --results names their folder"
    try:
        return models.restore(choice, catalog, users, layout.weights, device)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error}; {made}") from None
    except ValueError as error:
        first, *more = str(error).split("\n")
        if not first.startswith(f"{layout.weights} does not hold"):
            raise
        wanted = models.build(choice, catalog, users).state_dict()
        found = torch.load(reading(layout.weights), weights_only=True, map_location="meta")
        told = difference(wanted, found) or first.partition(" as it is set: ")[2] or "; ".join(more)
        raise ValueError(f"{layout.weights} does not hold models.{choice.name} as it is set: {told}; {made}") from None


def difference(wanted: dict[str, torch.Tensor], found: Any) -> str:
    """What some weights lack of a model's, what they have that it does not know, and what has another shape; nothing
    where they are no tensors by name, or do not differ.
    """
    if not isinstance(found, dict) or not all(isinstance(one, torch.Tensor) for one in found.values()):
        return ""
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
