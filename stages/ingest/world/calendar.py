"""When people act: sessions of a few acts, at most one a week, some of them on the evenings of the household."""

from dataclasses import dataclass

import numpy as np

from engine.params import Record

HOUR, DAY, WEEK = 60, 24 * 60, 7 * 24 * 60  # minutes
START = np.datetime64("2024-01-01T00:00", "us")  # a Monday
# an ordinary session begins between these minutes of the week, so that it is over before the next week's
FIRST, LAST = 8 * HOUR, 5 * DAY + 22 * HOUR


class SessionSettings(Record):
    """After an act the session goes on with chance `more`, up to `longest` acts, `pause` (least, most) minutes later.

    The household sits together on its `evenings` (days of the week, Monday is 0) between the hours `begin` and `end`.
    A session begins there, within `arrive` minutes, with chance `evening`; else at another time of Monday to Saturday.
    """

    more: float
    longest: int
    pause: tuple[int, int]
    evening: float
    evenings: list[int]
    begin: int
    end: int
    arrive: int


@dataclass(frozen=True)
class Calendar:
    """minute_UN since START; same_UN: in one session with the act before; household_UN: on a household's evening.

    Of act n before it happens: `goes_on_UN` is the chance that it is of the same session, `evening_UN` that it then
    is on a household's evening; `evening_of_new` is the same for a new session. Act 0 has no act before it: 0 and 0.
    """

    minute_UN: np.ndarray
    same_UN: np.ndarray
    household_UN: np.ndarray
    goes_on_UN: np.ndarray
    evening_UN: np.ndarray
    evening_of_new: float


def calendar(acts_U: np.ndarray, weeks: int, settings: SessionSettings, rng: np.random.Generator) -> Calendar:
    """Times of each person's acts; what stands beyond a person's last act has no meaning.

    Raises:
        ValueError: somebody has more sessions than there are weeks.
    """
    same_UN, goes_on_UN = _sessions(len(acts_U), int(acts_U.max()), settings, rng)
    session_UN = np.cumsum(~same_UN, axis=1) - 1
    needed_U = session_UN[np.arange(len(acts_U)), acts_U - 1] + 1
    if needed_U.max() > weeks:
        raise ValueError(
            f"datasets.demo.months: {weeks} weeks are too few for the {needed_U.max()} sessions of one person; "
            "more months, fewer acts or a higher sessions.more would do"
        )
    start_US = _starts(needed_U, weeks, int(session_UN.max()) + 1, settings, rng)
    pause_UN = rng.integers(settings.pause[0], settings.pause[1] + 1, same_UN.shape)
    minute_UN = np.zeros(same_UN.shape, dtype=np.int64)
    for n in range(same_UN.shape[1]):
        begun_U = start_US[np.arange(len(acts_U)), session_UN[:, n]]
        minute_UN[:, n] = np.where(same_UN[:, n], minute_UN[:, n - 1] + pause_UN[:, n], begun_U)
    table = household_minutes(settings)
    gaps = np.arange(settings.pause[0], settings.pause[1] + 1)
    after = np.array([table[(minute + gaps) % WEEK].mean() for minute in range(WEEK)])
    evening_UN = np.zeros(same_UN.shape)
    evening_UN[:, 1:] = after[minute_UN[:, :-1] % WEEK]
    return Calendar(minute_UN, same_UN, table[minute_UN % WEEK], goes_on_UN, evening_UN, settings.evening)


def household_minutes(settings: SessionSettings) -> np.ndarray:
    """Which minutes of the week are the household's [10,080]."""
    table = np.zeros(WEEK, dtype=bool)
    for day in settings.evenings:
        table[day * DAY + settings.begin * HOUR : day * DAY + settings.end * HOUR] = True
    return table


def _sessions(
    people: int, acts: int, settings: SessionSettings, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Whether each act goes on with the session of the one before, and the chance of it."""
    goes_on_UN = np.zeros((people, acts))
    same_UN = np.zeros((people, acts), dtype=bool)
    length_U = np.zeros(people, dtype=int)
    for n in range(acts):
        goes_on_UN[:, n] = np.where((length_U > 0) & (length_U < settings.longest), settings.more, 0.0)
        same_UN[:, n] = rng.random(people) < goes_on_UN[:, n]
        length_U = np.where(same_UN[:, n], length_U + 1, 1)
    return same_UN, goes_on_UN


def _starts(
    needed_U: np.ndarray, weeks: int, most: int, settings: SessionSettings, rng: np.random.Generator
) -> np.ndarray:
    """The minute since START at which each session begins: a week of its own each, in order [people, most]."""
    table = household_minutes(settings)
    minutes = np.arange(WEEK)
    ordinary = minutes[~table & (minutes >= FIRST) & (minutes < LAST) & (minutes % DAY >= FIRST)]
    evening = np.concatenate([d * DAY + settings.begin * HOUR + np.arange(settings.arrive) for d in settings.evenings])
    shape = (len(needed_U), most)
    start_US = np.where(rng.random(shape) < settings.evening, rng.choice(evening, shape), rng.choice(ordinary, shape))
    for row, needed in enumerate(needed_U):
        start_US[row, :needed] += WEEK * np.sort(rng.choice(weeks, int(needed), replace=False))
    return start_US
