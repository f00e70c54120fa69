"""Sections of params.yaml as frozen, checked records."""

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError


class Record(BaseModel):
    """A frozen section of params.yaml; a key that it does not know is refused by name."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Choice(Record):
    """A section chosen by a scalar, e.g. `models.${model}`: the scalar's value and the section as it stands."""

    name: str
    settings: dict[str, Any]


R = TypeVar("R", bound=Record)


def checked(record: type[R], settings: dict[str, Any], where: str) -> R:
    """`settings` as a `record`.

    Raises:
        ValueError: each wrong key with its place, what was found and which keys there are.
    """
    try:
        return record.model_validate(settings)
    except ValidationError as error:
        lines = []
        for e in error.errors():
            place = ".".join([where, *map(str, e["loc"])])
            known = f"; known keys: {', '.join(sorted(record.model_fields))}" if e["type"] == "extra_forbidden" else ""
            lines.append(f"{place}: {e['msg']} (found {e['input']!r}){known}")
        raise ValueError("params.yaml: " + "\n".join(lines)) from None
