"""Sections of params.yaml as frozen, checked records."""

import re
import reprlib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError


class Record(BaseModel):
    """A frozen section of params.yaml; a key that it does not know, and a number that is none, are refused by name."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_not_1(cls, value: Any, info: ValidationInfo) -> Any:
        """Python counts true as 1, so that `epochs: true` would be one epoch."""
        kinds = set(_kinds(cls.model_fields[str(info.field_name)].annotation))
        names = isinstance(value, list) and str in kinds  # a list of names says itself what is none
        if kinds & {int, float} and not kinds & {bool, Any} and not names and _has_bool(value):
            raise PydanticCustomError("bool_as_number", "Input should be a number, not true or false")
        return value


def _kinds(kind: Any) -> Iterator[Any]:
    """A kind and those that it is made of."""
    yield kind
    for part in get_args(kind):
        yield from _kinds(part)


def _has_bool(value: Any) -> bool:
    """Whether a value of YAML is true or false, or a list or section of some."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
    return any(isinstance(part, bool) for part in parts)


class Choice(Record):
    """A section chosen by a scalar, e.g. `models.${model}`: the scalar's value and the section as it stands."""

    name: str
    settings: dict[str, Any]


R = TypeVar("R", bound=Record)
SEEDS = 2**32  # beyond these, generators refuse one, or draw as by a smaller one
Seed = Annotated[int, Field(ge=0, lt=SEEDS)]

TAG = re.compile(r"(constrained-)?(int|str|float|bool)|[\w-]+\[.*\]")  # of a kind that was tried, in pydantic's places

_short = reprlib.Repr()
_short.maxlevel, _short.maxstring, _short.maxother = 3, 200, 200  # aliases of YAML can expand to gigabytes


def checked(record: type[R], settings: dict[str, Any], where: str | Mapping[str, str]) -> R:
    """`settings` as a `record`; `where` they stand in params.yaml, as a whole or by the record's fields ('': what is
    wrong of several together).

    Raises:
        ValueError: each wrong key with its place, what was found and which keys there are.
    """
    try:
        return record.model_validate(settings)
    except ValidationError as error:
        raise ValueError("params.yaml: " + "\n".join(_faults(record, error, where))) from None


def _faults(record: type[Record], error: ValidationError, where: str | Mapping[str, str]) -> list[str]:
    """A line a place; what is neither of several kinds is told once, with what each of them wants."""
    wanted: dict[tuple[str, str], list[str]] = {}
    for one in error.errors():
        place, told, found = _fault(record, one, where)
        wanted.setdefault((place, found), []).append(told)
    return [f"{place}: {', or '.join(dict.fromkeys(told))}{found}" for (place, found), told in wanted.items()]


def _fault(record: type[Record], error: Any, where: str | Mapping[str, str]) -> tuple[str, str, str]:
    """The place of a fault, what should be there, and what was found."""
    loc = [str(part) for part in error["loc"]]
    loc = [part for n, part in enumerate(loc) if not (n and TAG.fullmatch(part))]
    outer = [where] if isinstance(where, str) else [where.get(loc[0], loc[0]) if loc else where.get("", "")]
    place = ".".join([*outer, *(loc if isinstance(where, str) else loc[1:])])
    found = "" if error["type"] == "missing" else f" (found {_short.repr(error['input'])})"
    known = f"; known keys: {', '.join(sorted(_keys(record, loc[:-1])))}" if error["type"] == "extra_forbidden" else ""
    return place, error["msg"].replace("a valid tuple", "a list, e.g. [a, b]"), found + known


def _keys(record: type[Record], path: list[str]) -> list[str]:
    """The keys of the section at `path` within a record; sections may lie in one whose keys are free."""
    kind: Any = record
    for part in path:
        if get_origin(kind) is dict:
            kind = get_args(kind)[1]
        elif part in (inner := _inner(kind)):
            kind = inner[part].annotation
        else:
            break
    return list(_inner(kind))


def _inner(kind: Any) -> dict[str, Any]:
    """The fields of the first record that a kind is made of."""
    found = (one for one in _kinds(kind) if isinstance(one, type) and issubclass(one, Record))
    return next((one.model_fields for one in found), {})


def sides(where: str, there: Any, here: Any) -> list[tuple[str, Any, Any]]:
    """Each key of two sections with what it is there and here; a key that one lacks is None in it."""
    if not (isinstance(there, dict) and isinstance(here, dict)):
        return [(where, there, here)]
    return [one for key in sorted({*there, *here}) for one in sides(f"{where}.{key}", there.get(key), here.get(key))]
