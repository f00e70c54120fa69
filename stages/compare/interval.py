"""A mean difference and how far chance moves it: a paired test's verdict beside the 95 % interval of the bootstrap."""

from dataclasses import dataclass

from numpy.typing import ArrayLike

from engine.measures.significance import Verdict, bootstrap


@dataclass(frozen=True)
class Bounded(Verdict):
    """A verdict whose difference lies between `low` and `high`, by 95 %."""

    low: float
    high: float

    @property
    def interval(self) -> str:
        """As tables print it."""
        return f"{self.low:+.4f} to {self.high:+.4f}"


def bounded(verdict: Verdict, first_B: ArrayLike, second_B: ArrayLike) -> Bounded:
    """What a test found of two columns, with the interval of their difference."""
    _, (low, high) = bootstrap(first_B, second_B)
    return Bounded(verdict.difference, verdict.p, verdict.effect, verdict.cases, float(low), float(high))
