"""Weights of one person's recommendations, by what they weigh and by which reading they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from stages.explain.reasons import INFLUENCE

Mark = Literal["influence", "used", "after"]
MARKS: tuple[Mark, ...] = ("influence", "used", "after")  # in the order in which they are shown
OF_HISTORY = pl.col("about") == 0


@dataclass(frozen=True)
class Reading:
    """What weights are called, and their mark: the influence, used by the score, or drawn after it."""

    name: str
    mark: Mark

    @property
    def late(self) -> bool:
        """Drawn afterwards: folded away."""
        return self.mark == "after"


@dataclass(frozen=True)
class Reason:
    """Weights over the parts of one whole, in order: number (of a history: the event's position), label, weight."""

    reading: Reading
    kind: str
    parts: Sequence[tuple[int, str | None, float]]

    @property
    def weights(self) -> dict[int, float]:
        """By the part's number."""
        return {part: weight for part, _, weight in self.parts}


@dataclass(frozen=True)
class Whole:
    """What is weighed in parts: a history (`about` 0, no position), an item, or an item as it was acted on once."""

    over: str
    about: int = 0
    position: int | None = None


Reasons = dict[Whole, list[Reason]]


def group_reasons(rows: pl.DataFrame) -> dict[int, Reasons]:
    """REASONS rows of one person by rank: all readings of each whole, the influence first, what is drawn after last."""
    placed = rows.with_columns(
        part=pl.when(OF_HISTORY).then(pl.coalesce("position", "part")).otherwise("part"),
        position=pl.when(~OF_HISTORY).then("position"),
    )
    found: dict[int, Reasons] = {}
    keys = ("rank", "over", "about", "position", "reading", "kind", "faithful")
    for key, parts in placed.group_by(keys, maintain_order=True):
        rank, over, about, position, name, kind, faithful = key
        mark: Mark = "influence" if name == INFLUENCE else "used" if faithful else "after"
        whole = Whole(str(over), int(about), None if position is None else int(position))
        weighed = list(parts.select("part", "label", "weight").iter_rows())
        several = found.setdefault(int(rank), {}).setdefault(whole, [])
        several.append(Reason(Reading(str(name), mark), str(kind), weighed))
    for reasons in found.values():
        for several in reasons.values():
            several.sort(key=lambda reason: MARKS.index(reason.reading.mark))
    return found
