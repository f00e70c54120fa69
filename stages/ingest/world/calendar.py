"""When people act: sessions of a few acts, at most one a week; some on the household's evenings, some idle."""

from dataclasses import dataclass

import numpy as np
from pydantic import Field, model_validator

from engine.tables.settings import Record

HOUR, DAY, WEEK = 60, 24 * 60, 7 * 24 * 60  # minutes
START = np.datetime64("2024-01-01T00:00", "us")  # a Monday
DAYS = 6  # a session begins from Monday to Saturday, so that it is over before the next week's


class SessionSettings(Record):
    """When people act: alone in the day, with their household in the evening, or idle, to pass the time."""

    more: float = Field(ge=0, le=1, description="chance that a session goes on after an act")
    longest: int = Field(ge=1, description="most acts of a session")
    pause: tuple[int, int] = Field(description="least and most minutes between acts of a session")
    evening: float = Field(ge=0, le=1, description="chance that a session begins on an evening of the household")
    evenings: list[int] = Field(description="days of the week on which the household sits together; 0 is Monday")
    begin: int = Field(ge=0, le=24, description="hour at which these evenings begin")
    end: int = Field(ge=0, le=24, description="hour at which these evenings end")
    arrive: int = Field(ge=1, description="minutes within which a session of an evening begins")
    idle: float = Field(ge=0, le=1, description="chance that a session is a single idle act")
    idle_hours: tuple[int, int] = Field(description="hours of a day, from and to, of idle acts")
    hours: tuple[int, int] = Field(description="hours of a day, from and to, in which all other sessions begin")

    @model_validator(mode="after")
    def _chances(self) -> "SessionSettings":
        if self.evening + self.idle > 1:
            raise ValueError(f"evening and idle are {self.evening} and {self.idle}: their sum can be at most 1")
        return self

    @model_validator(mode="after")
    def _times(self) -> "SessionSettings":
        if not 0 <= self.pause[0] <= self.pause[1]:
            raise ValueError(f"pause: {list(self.pause)}; the least first, from 0 on")
        if not self.evenings or not set(self.evenings) <= set(range(DAYS)):
            raise ValueError(f"evenings: {self.evenings}; days from 0, Monday, to {DAYS - 1}, one at least")
        spans = {"begin and end": (self.begin, self.end), "hours": self.hours, "idle_hours": self.idle_hours}
        for name, (first, last) in spans.items():
            if not 0 <= first < last <= 24:
                raise ValueError(f"{name}: {[first, last]}; hours of a day, the earlier first")
        return self


@dataclass(frozen=True)
class Calendar:
    """minute_UN since START; same_UN: in one session with the act before; household_UN: on a household's evening;
    idle_UN: alone, to pass the time.

    Of act n before it happens: `goes_on_UN` is the chance that it is of the same session, `evening_UN` that it then
    is on a household's evening; `evening_of_new` is the same for a new session, `idle_of_new` that it is idle. Act 0
    has no act before it: 0 and 0.
    """

    minute_UN: np.ndarray
    same_UN: np.ndarray
    household_UN: np.ndarray
    idle_UN: np.ndarray
    goes_on_UN: np.ndarray
    evening_UN: np.ndarray
    evening_of_new: float
    idle_of_new: float


def draw_calendar(acts_U: np.ndarray, weeks: int, settings: SessionSettings, rng: np.random.Generator) -> Calendar:
    """Times of each person's acts; what stands beyond a person's last act has no meaning.

    Raises:
        ValueError: somebody has more sessions than there are weeks.
    """
    same_UN, idle_UN, goes_on_UN = _sessions(len(acts_U), int(acts_U.max()), settings, rng)
    session_UN = np.cumsum(~same_UN, axis=1) - 1
    needed_U = session_UN[np.arange(len(acts_U)), acts_U - 1] + 1
    if needed_U.max() > weeks:
        raise ValueError(
            f"datasets.demo.months: {weeks} weeks are too few for the {needed_U.max()} sessions of one person; "
            "more months, fewer acts or a higher sessions.more would do"
        )
    start_UN = _starts(needed_U, weeks, same_UN, idle_UN, settings, rng)
    pause_UN = rng.integers(settings.pause[0], settings.pause[1] + 1, same_UN.shape)
    minute_UN = np.zeros(same_UN.shape, dtype=np.int64)
    for n in range(same_UN.shape[1]):
        minute_UN[:, n] = np.where(same_UN[:, n], minute_UN[:, n - 1] + pause_UN[:, n], start_UN[:, n])
    table = household_minutes(settings)
    gaps = np.arange(settings.pause[0], settings.pause[1] + 1)
    after = np.array([table[(minute + gaps) % WEEK].mean() for minute in range(WEEK)])
    evening_UN = np.zeros(same_UN.shape)
    evening_UN[:, 1:] = after[minute_UN[:, :-1] % WEEK]
    household_UN = table[minute_UN % WEEK] & ~idle_UN
    return Calendar(minute_UN, same_UN, household_UN, idle_UN, goes_on_UN, evening_UN, settings.evening, settings.idle)


def household_minutes(settings: SessionSettings) -> np.ndarray:
    """Which minutes of the week are the household's [10,080]."""
    table = np.zeros(WEEK, dtype=bool)
    for day in settings.evenings:
        table[day * DAY + settings.begin * HOUR : day * DAY + settings.end * HOUR] = True
    return table


def _sessions(
    people: int, acts: int, settings: SessionSettings, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whether each act goes on with the session of the one before, whether it is idle, and the chance that it goes on.

    An idle act is a session of its own.
    """
    goes_on_UN = np.zeros((people, acts))
    same_UN, idle_UN = np.zeros((2, people, acts), dtype=bool)
    length_U = np.full(people, settings.longest)
    for n in range(acts):
        goes_on_UN[:, n] = np.where(length_U < settings.longest, settings.more, 0.0)
        same_UN[:, n] = rng.random(people) < goes_on_UN[:, n]
        idle_UN[:, n] = ~same_UN[:, n] & (rng.random(people) < settings.idle)
        length_U = np.where(idle_UN[:, n], settings.longest, np.where(same_UN[:, n], length_U + 1, 1))
    return same_UN, idle_UN, goes_on_UN


def _starts(
    needed_U: np.ndarray,
    weeks: int,
    same_UN: np.ndarray,
    idle_UN: np.ndarray,
    settings: SessionSettings,
    rng: np.random.Generator,
) -> np.ndarray:
    """The minute since START of each act that begins a session: a week of its own each, in order."""
    minute = np.arange(DAYS * DAY)
    day, hour = minute // DAY, minute % DAY / HOUR
    evening = (
        np.isin(day, settings.evenings) & (hour >= settings.begin) & (hour < settings.begin + settings.arrive / 60)
    )
    ordinary = (hour >= settings.hours[0]) & (hour < settings.hours[1]) & ~household_minutes(settings)[: len(hour)]
    idle = (hour >= settings.idle_hours[0]) & (hour < settings.idle_hours[1])
    shape, together = same_UN.shape, settings.evening / max(1 - settings.idle, 1e-9)
    one, other, alone = (rng.choice(np.flatnonzero(minutes), shape) for minutes in (evening, ordinary, idle))
    start_UN = np.where(idle_UN, alone, np.where(rng.random(shape) < together, one, other))
    session_UN = np.cumsum(~same_UN, axis=1) - 1
    for row, needed in enumerate(needed_U):
        week_S = np.sort(rng.choice(weeks, int(needed), replace=False))
        start_UN[row] += WEEK * week_S[session_UN[row].clip(max=needed - 1)]
    return start_UN
