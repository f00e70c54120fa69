"""What values of the command line may be: moments, numbers within bounds, lists, regions; else a line says why."""

import argparse
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NoReturn

from engine.tables.printing import printable


class Parser(argparse.ArgumentParser):
    """Its errors are one line, as all errors of `python -m serving` are."""

    def error(self, message: str) -> NoReturn:
        """End with status 2."""
        self.exit(2, f"serving: {one_line(message)} (see {self.prog} --help)\n")


def one_line(message: str) -> str:
    """A message without line breaks and control characters."""
    return printable("; ".join(line.strip() for line in message.split("\n") if line.strip()))


def moment(text: str) -> datetime:
    """A moment in ISO 8601; UTC where it names no zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no moment; one is written 2026-05-01T20:00") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """A whole number within bounds."""
    told = f"{least} or more" if most is None else f"from {least} to {most}"

    def read(text: str) -> int:
        try:
            found = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None
        if found < least or (most is not None and found > most):
            raise argparse.ArgumentTypeError(f"a number {told} is taken; found {found}")
        return found

    return read


def finite(text: str) -> float:
    """A number that is one: neither nan nor infinite."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise argparse.ArgumentTypeError(f"{text!r} is no finite number")
    return found


def several(kind: Callable[[str], object]) -> Callable[[str], list[object]]:
    """Values with semicolons between."""

    def read(text: str) -> list[object]:
        return [kind(part.strip()) for part in text.split(";") if part.strip()]

    return read


def region(text: str) -> tuple[str, int]:
    """ITEM:NUMBER, the number from 1."""
    item, _, number = text.rpartition(":")
    if not item or not number.isdecimal() or not int(number):
        raise argparse.ArgumentTypeError(f"{text!r} is no region; one is written ITEM:NUMBER, e.g. film-0042:3")
    return item, int(number)
