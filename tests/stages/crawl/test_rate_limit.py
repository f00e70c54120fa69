"""A host's pace by a clock that stands still."""

import time

import pytest

from stages.crawl.rate_limit import Pace

HOST = "a.example"


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


def gap(pace: Pace, monkeypatch: pytest.MonkeyPatch) -> float:
    """Seconds from one asker to the next."""
    slept: list[float] = []
    monkeypatch.setattr(pace, "rest", slept.append)
    pace.turn(HOST)
    pace.turn(HOST)
    return slept[1] - slept[0]


def test_refusals_on_their_way_at_the_same_time_slow_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, pace = Clock(monkeypatch), Pace(rate=10, longest=60)
    assert gap(pace, monkeypatch) == 0
    for _ in range(3):
        pace.hold(HOST, 2, crowded=True)
    assert gap(pace, monkeypatch) == pytest.approx(0.125)
    clock.now += 1.9
    pace.hold(HOST, 2, crowded=True)
    assert gap(pace, monkeypatch) == pytest.approx(0.125), "the first wait is not over"
    clock.now += 2.1
    pace.hold(HOST, 0, crowded=False)
    assert gap(pace, monkeypatch) == pytest.approx(0.125), "a fault is no crowd"
    pace.hold(HOST, 2, crowded=True)
    assert gap(pace, monkeypatch) == pytest.approx(0.125 * 1.25)
    for _ in range(20):
        clock.now += 2.1
        pace.hold(HOST, 2, crowded=True)
    assert gap(pace, monkeypatch) == pytest.approx(0.8), "an eighth of the rate is the least"
