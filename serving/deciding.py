"""Which acts decide whether an item is among the first: greedily taken away, each step checked by scoring again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Outcome = Callable[[Sequence[frozenset[int]]], list[tuple[int, float]]]  # rank and margin without some acts


@dataclass(frozen=True)
class Deciding:
    """The places of the acts, and the item's rank without them."""

    places: tuple[int, ...]
    rank: int


def deciding_acts(
    acts: Sequence[int], within: bool, top: int, limit: int, reads: int, outcome: Outcome
) -> Deciding | None:
    """At most `limit` of some acts, by their places, without which an item that is `within` the first `top` is not, or
    one that is not is.

    Each step takes away the act whose absence moves the item's margin furthest; at the end each act that turns out
    not to be needed is put back. None where no such acts are found; one act always stays.

    Args:
        reads: how many of the last acts the model reads.
    """
    gone: frozenset[int] = frozenset()
    while len(gone) < min(limit, len(acts) - 1):
        left = [place for place in acts if place not in gone]
        trials = [gone | {place} for place in left[-reads:]]
        found = outcome(trials)
        best = max(range(len(trials)), key=lambda n: (-found[n][1] if within else found[n][1], n))
        gone, (rank, _) = trials[best], found[best]
        if (rank <= top) != within:
            return _least(gone, rank, within, top, outcome)
    return None


def _least(gone: frozenset[int], rank: int, within: bool, top: int, outcome: Outcome) -> Deciding:
    """Without those that are not needed."""
    for place in sorted(gone):
        if len(gone) > 1:
            fewer = gone - {place}
            again, _ = outcome([fewer])[0]
            if (again <= top) != within:
                gone, rank = fewer, again
    return Deciding(tuple(sorted(gone)), rank)
