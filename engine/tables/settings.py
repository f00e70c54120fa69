"""Sections of params.yaml as frozen, checked records."""

import reprlib
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError


class Record(BaseModel):
    """A frozen section of params.yaml; a key that it does not know, and a number that is none, are refused by name."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)


class Choice(Record):
    """A section chosen by a scalar, e.g. `models.${model}`: the scalar's value and the section as it stands."""

    name: str
    settings: dict[str, Any]


R = TypeVar("R", bound=Record)

_short = reprlib.Repr()
_short.maxlevel, _short.maxstring, _short.maxother = 3, 200, 200  # aliases of YAML can expand to gigabytes


def checked(record: type[R], settings: dict[str, Any], where: str | Mapping[str, str]) -> R:
    """`settings` as a `record`; `where` they stand in params.yaml, as a whole or by the record's fields.

    Raises:
        ValueError: each wrong key with its place, what was found and which keys there are.
    """
    try:
        return record.model_validate(settings)
    except ValidationError as error:
        raise ValueError("params.yaml: " + "\n".join(_fault(record, e, where) for e in error.errors())) from None


def _fault(record: type[Record], error: Any, where: str | Mapping[str, str]) -> str:
    loc = [str(part) for part in error["loc"]]
    outer = [where] if isinstance(where, str) else [where.get(loc[0], loc[0])] if loc else []
    place = ".".join([*outer, *(loc if isinstance(where, str) else loc[1:])])
    found = "" if error["type"] == "missing" else f" (found {_short.repr(error['input'])})"
    known = f"; known keys: {', '.join(sorted(_keys(record, loc[:-1])))}" if error["type"] == "extra_forbidden" else ""
    return f"{place}: {error['msg']}{found}{known}"


def _keys(record: type[Record], path: list[str]) -> list[str]:
    """The keys of the section at `path` within a record."""
    for part in path:
        inner = record.model_fields[part].annotation if part in record.model_fields else None
        if not (isinstance(inner, type) and issubclass(inner, Record)):
            break
        record = inner
    return list(record.model_fields)


def sides(where: str, there: Any, here: Any) -> list[tuple[str, Any, Any]]:
    """Each key of two sections with what it is there and here; a key that one lacks is None in it."""
    if not (isinstance(there, dict) and isinstance(here, dict)):
        return [(where, there, here)]
    return [one for key in sorted({*there, *here}) for one in sides(f"{where}.{key}", there.get(key), here.get(key))]
