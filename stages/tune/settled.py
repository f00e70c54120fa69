"""A model's section with values at dotted settings."""

from typing import Any

import models
from engine.tables.settings import Choice, checked
from engine.training.schedule import Train

Value = str | bool | int | float


class NotTogetherError(ValueError):
    """Values that a model takes each alone, and not together: a trial that fails, not the end of a search."""


def settle(choice: Choice, values: dict[str, Value]) -> Choice:
    """The model's section with values at dotted settings.

    Raises:
        ValueError: the model does not take them, by name.
    """
    settings = _copied(choice.settings)
    for key, value in values.items():
        *parents, last = key.split(".")
        place = settings
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise ValueError(f"models.{choice.name}.{key}: {parent} is {place!r} and has no settings of its own")
        place[last] = value
    found = Choice(name=choice.name, settings=settings)
    models.configure(found)
    checked(Train, settings.get("train", {}), f"models.{choice.name}.train")
    return found


def together(choice: Choice, values: dict[str, Value]) -> Choice:
    """The same for values that were checked each alone.

    Raises:
        NotTogetherError: the model does not take them together; says why.
    """
    try:
        return settle(choice, values)
    except ValueError as error:
        raise NotTogetherError(str(error).removeprefix("params.yaml: ")) from None


def _copied(section: dict[str, Any]) -> dict[str, Any]:
    return {key: _copied(value) if isinstance(value, dict) else value for key, value in section.items()}
