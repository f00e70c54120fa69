"""People that a setting names by their raw ids, which are text even where YAML reads a number."""

import re
from collections.abc import Collection, Iterable
from typing import Annotated

from pydantic import Field

RawId = str | Annotated[int, Field(strict=True)]


def named(asked: Iterable[str | int], known: Collection[str], where: str) -> list[str]:
    """The raw ids that are asked for, each once, in the order of the setting `where`.

    Raises:
        ValueError: nobody has such an id, or a number is what several ids read as; says what was meant perhaps.
    """
    asked, there = list(dict.fromkeys(asked)), set(known)
    for number in [one for one in asked if isinstance(one, int)]:
        alike = _alike(number, there)
        if alike and str(number) in there:
            raise ValueError(f"{where}: {number} may be {str(number)!r} or {alike[0]!r}: write the id in quotes")
        if alike:
            raise ValueError(f"{where}: nobody is called '{number}', but {alike[0]!r}: write the id in quotes")
    unknown = [one for one in map(str, asked) if one not in there]
    if unknown:
        raise ValueError(f"{where}: nobody is called {unknown[0]!r} ({len(unknown)} of {len(asked)} unknown)")
    return list(dict.fromkeys(map(str, asked)))


def _alike(number: int, there: Iterable[str]) -> list[str]:
    """Other ids that YAML reads as the number: with zeros or a plus before it."""
    sign = "-" if number < 0 else r"\+?"
    same = re.compile(rf"{sign}0*{abs(number)}")
    return sorted(one for one in there if one != str(number) and same.fullmatch(one))
