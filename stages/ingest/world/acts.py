"""Acts of the demo's people, drawn step by step, and the rank that the known chances give to each."""

from dataclasses import dataclass
from itertools import product

import numpy as np

from stages.ingest.world.calendar import Calendar
from stages.ingest.world.mixture import ACCIDENT, HOUR, Unseen, World

_BLOCK = 64  # people at a time, so that their tables of all films stay in the processor's cache


@dataclass(frozen=True)
class Acts:
    """What happened: film_UN from 0; cause_UN, a place in CAUSES; interest_UN, the passing theme; switched_UN;
    look_UN, the visual taste of the time.

    greater, ties and others rank what happened among unseen films by the chances known before; chance_UN is its own
    chance, expected_UN what that is on average.
    """

    film_UN: np.ndarray
    cause_UN: np.ndarray
    interest_UN: np.ndarray
    switched_UN: np.ndarray
    look_UN: np.ndarray
    greater_UN: np.ndarray
    ties_UN: np.ndarray
    others_UN: np.ndarray
    chance_UN: np.ndarray
    expected_UN: np.ndarray


def draw_acts(world: World, calendar: Calendar, rng: np.random.Generator) -> Acts:
    """Let everybody act, each as often as they do; entries beyond a person's last act are -1 or NaN."""
    people, count = calendar.minute_UN.shape
    shape, themes = (people, count), len(world.groups.theme_KF)
    names = ("film", "cause", "interest", "switched", "look", "greater", "ties", "others")
    whole = {name: np.full(shape, -1) for name in names}
    whole |= {name: np.full(shape, np.nan) for name in ("chance", "expected")}
    interest_U = rng.integers(themes, size=(people,))
    look_U = world.people.look_U.copy()
    for start, n in product(range(0, people, _BLOCK), range(count)):
        row: np.ndarray = start + np.flatnonzero(world.people.acts_U[start : start + _BLOCK] > n)
        if not len(row):
            continue
        chance_UF = world.film_chances(row, interest_U[row], look_U[row], calendar, n)
        others_U = world.unseen_UF[row].sum(axis=1) - 1
        switched_U = _switch_tastes(world, calendar, row, n, interest_U, look_U, rng)
        cause_U = (np.cumsum(world.cause_U4[row], axis=1)[:, :3] <= rng.random((len(row), 1))).sum(axis=1)
        follows_U = calendar.household_UN[row, n] & (rng.random(len(row)) < world.mixture.hour)
        cause_U = np.where(calendar.idle_UN[row, n], ACCIDENT, np.where(follows_U, HOUR, cause_U))
        film_U, cause_U = world.draw_films(row, cause_U, interest_U[row], look_U[row], rng)
        own_U = chance_UF[np.arange(len(row)), film_U]
        found: dict[str, np.ndarray] = {"film": film_U, "cause": cause_U, "switched": switched_U, "others": others_U}
        found |= {"interest": interest_U[row], "look": look_U[row]}
        found |= {"greater": (chance_UF > own_U[:, None]).sum(axis=1), "chance": own_U}
        found |= {"ties": (chance_UF == own_U[:, None]).sum(axis=1) - 1, "expected": (chance_UF**2).sum(axis=1)}
        for name, value_U in found.items():
            whole[name][row, n] = value_U
    return Acts(**{f"{name}_UN": value for name, value in whole.items()})


def _switch_tastes(
    world: World,
    calendar: Calendar,
    row: np.ndarray,
    n: int,
    interest_U: np.ndarray,
    look_U: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Switch interests and looks of the people `row` in place, before act n; gives whose interest switched."""
    mix, unseen = world.mixture, Unseen(world.fame_F, world.unseen_UF[row])
    theme_KF, look_OF = world.groups.theme_KF, world.groups.look_OF
    switch_U: np.ndarray = rng.random(len(row)) < np.where(calendar.same_UN[row, n], mix.switch_same, mix.switch_new)
    switch_U = (switch_U & ~calendar.household_UN[row, n] & ~calendar.idle_UN[row, n]) | unseen.none_left(
        theme_KF[interest_U[row]]
    )
    turn_U = (rng.random(len(row)) < mix.switch_look) | unseen.none_left(look_OF[look_U[row]])
    for now_U, moved_U, count in ((interest_U, switch_U, len(theme_KF)), (look_U, turn_U, len(look_OF))):
        now_U[row] = (now_U[row] + moved_U * rng.integers(1, count, len(row))) % count
    return switch_U
