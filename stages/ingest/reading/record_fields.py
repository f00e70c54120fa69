"""Fields of records that came as Python objects: there, of the right type, and then columns."""

from collections.abc import Iterable
from typing import Any

import polars as pl

from stages.ingest.reading.columns import Tally
from stages.ingest.reading.record_blocks import Rows

Kinds = tuple[type, ...]
_NONE = type(None)
_SAID = {str: "text", int: "a number", float: "a number", list: "a list", dict: "a record"}


def sound(
    rows: Rows, lines: list[int], tally: Tally, kinds: dict[str, Kinds], needed: Iterable[str]
) -> tuple[Rows, list[int]]:
    """The records whose fields are of their `kinds` and whose `needed` ones are there; the others go to the tally.

    None stands for a field that is not there.
    """
    required = set(needed)
    if all(_clean(rows, name, (*kind, *(() if name in required else (_NONE,)))) for name, kind in kinds.items()):
        return rows, lines
    good, places = [], []
    for row, line in zip(rows, lines, strict=True):
        why = _fault(row, kinds, required)
        if why:
            tally.add(line, why)
        else:
            good.append(row)
            places.append(line)
    return good, places


def column(rows: Rows, name: str, dtype: Any) -> pl.Series:
    """One field as a column; null where it is not there."""
    return pl.Series(name, [row.get(name) for row in rows], dtype=dtype)


def _clean(rows: Rows, name: str, kinds: Kinds) -> bool:
    return {type(row.get(name)) for row in rows} <= set(kinds)


def _fault(row: dict[str, Any], kinds: dict[str, Kinds], required: set[str]) -> str:
    for name, kind in kinds.items():
        found = row.get(name)
        if found is None:
            if name in required:
                return f"no {name!r} in it; it has {sorted(map(str, row))[:12]}"
        elif type(found) not in kind:
            expected = " or ".join(dict.fromkeys(_SAID.get(k, "a number") for k in kind))
            return f"{name}: expected {expected}, found {found!r:.40}"
    return ""
