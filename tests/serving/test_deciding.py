"""An act that greed took first and that turns out not to be needed is put back."""

from collections.abc import Sequence

from serving.deciding import Deciding, deciding_acts


def outcome(sets: Sequence[frozenset[int]]) -> list[tuple[int, float]]:
    """Act 0 helps most alone; acts 1 and 2 together are enough."""
    return [(1, 1.0) if {1, 2} <= gone else (9, -9.0 + 5 * (0 in gone) + (1 in gone)) for gone in sets]


def test_what_is_not_needed_is_put_back() -> None:
    assert deciding_acts([0, 1, 2, 3, 4], False, 3, 3, 9, outcome) == Deciding((1, 2), 1)
    assert deciding_acts([0, 1, 2, 3, 4], False, 3, 2, 9, outcome) is None
