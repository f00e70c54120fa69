"""The rate limit by a clock that stands still."""

import time

import pytest

from stages.crawl.rate_limit import RateLimit

HOST = "a.example"


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


def gap(limit: RateLimit, monkeypatch: pytest.MonkeyPatch) -> float:
    """Seconds from one asker to the next."""
    slept: list[float] = []
    monkeypatch.setattr(limit, "sleep", slept.append)
    limit.acquire(HOST)
    limit.acquire(HOST)
    return slept[1] - slept[0]


def test_refusals_on_their_way_at_the_same_time_slow_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, limit = Clock(monkeypatch), RateLimit(rate=10, longest_wait=60, limited="another")
    assert gap(limit, monkeypatch) == 0
    for _ in range(3):
        limit.back_off(HOST, 2, rate_limited=True)
    assert gap(limit, monkeypatch) == pytest.approx(0.125)
    clock.now += 1.9
    limit.back_off(HOST, 2, rate_limited=True)
    assert gap(limit, monkeypatch) == pytest.approx(0.125), "the first wait is not over"
    clock.now += 2.1
    limit.back_off(HOST, 0, rate_limited=False)
    assert gap(limit, monkeypatch) == pytest.approx(0.125), "another failure is no limit"
    limit.back_off(HOST, 2, rate_limited=True)
    assert gap(limit, monkeypatch) == pytest.approx(0.125 * 1.25)
    for _ in range(20):
        clock.now += 2.1
        limit.back_off(HOST, 2, rate_limited=True)
    assert gap(limit, monkeypatch) == pytest.approx(0.8), "an eighth of the rate is the least"
