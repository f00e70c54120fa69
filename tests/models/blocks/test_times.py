from datetime import UTC, datetime

import pytest
import torch

from models.blocks import times


def at(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp())  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("when", "slot"),
    [
        ((1970, 1, 1), 72),
        ((2024, 1, 1, 0, 10), 0),
        ((2024, 1, 1, 1, 0), 1),
        ((2024, 1, 7, 23, 59, 59), 167),
        ((1969, 12, 29), 0),
        ((1969, 12, 28, 23, 30), 167),
    ],
)
def test_hour_of_week_counts_from_monday(when: tuple[int, ...], slot: int) -> None:
    assert times.hour_of_week(torch.tensor(at(*when))).item() == slot


def test_hours_of_a_week_are_those_of_the_calendar() -> None:
    start = at(2026, 3, 2)
    hours = torch.arange(168)
    assert datetime.fromtimestamp(start, UTC).weekday() == 0
    assert torch.equal(times.hour_of_week(start + 3600 * hours + 1800), hours)


def test_gap_is_whole_hours_up_to_a_week() -> None:
    then = torch.tensor([0, -3599, -3600, -167 * 3600, -168 * 3600, -9_000_000, 50])
    assert times.gap(torch.tensor(0), then).tolist() == [0, 0, 1, 167, 168, 168, 0]
