"""Fields of records: there, of the right type, and then columns."""

import re
import reprlib
from collections.abc import Iterable
from typing import Any

import polars as pl

from stages.ingest.reading.columns import Tally
from stages.ingest.reading.empty_cells import NOBODY

Records = list[dict[str, Any]]
FieldTypes = tuple[type, ...]
_NONE = type(None)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NOBODY = re.compile(NOBODY)
_SAID = {str: "text", int: "a number", float: "a number", list: "a list", dict: "a record"}


def valid_records(
    records: Records, lines: list[int], tally: Tally, types: dict[str, FieldTypes], required: Iterable[str]
) -> tuple[Records, list[int]]:
    """The records whose fields are of their `types` and whose `required` ones are there; the others go to the tally.

    None stands for a field that is not there.
    """
    needed = set(required)
    if all(_all_valid(records, name, (*kind, *(() if name in needed else (_NONE,)))) for name, kind in types.items()):
        return records, lines
    good, places = [], []
    for record, line in zip(records, lines, strict=True):
        why = _fault(record, types, needed)
        if why:
            tally.add(line, why)
        else:
            good.append(record)
            places.append(line)
    return good, places


def field_column(records: Records, name: str, dtype: Any) -> pl.Series:
    """One field as a column; null where it is not there."""
    return pl.Series(name, [record.get(name) for record in records], dtype=dtype)


def _all_valid(records: Records, name: str, types: FieldTypes) -> bool:
    values = [record.get(name) for record in records]
    found = set(map(type, values))
    return found <= set(types) and not (int in found and any(map(_too_large, values)))


def _too_large(value: Any) -> bool:
    return type(value) is int and not -(2**63) <= value < 2**63


def _fault(record: dict[str, Any], types: dict[str, FieldTypes], required: set[str]) -> str:
    for name, kind in types.items():
        found = record.get(name)
        if found is None:
            if name in required:
                return f"no {name!r} in it; it has {sorted(f'{key!s:.40}' for key in record)[:12]}"
        elif type(found) not in kind or _too_large(found):
            expected = " or ".join(dict.fromkeys(_SAID.get(k, "a number") for k in kind))
            return f"{name}: expected {expected}, found {reprlib.repr(found):.40}"
    return ""


def id_fault(name: str, text: str) -> str:
    """What is wrong with an id that stands under `name`, as a column of ids has it; nothing where it is right."""
    if not text:
        return f"{name}: no id there"
    if _CONTROL.search(text):
        return f"{name}: a control character in an id, found {text:.40}"
    return f"{name}: a word for nothing, which is no id, found {text}" if _NOBODY.search(text) else ""
