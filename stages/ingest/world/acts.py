"""Acts of the demo's people, each drawn from a mixture whose chances are known, and the rank that these give it."""

from dataclasses import dataclass

import numpy as np

from engine.params import Record
from stages.ingest.world.calendar import Calendar
from stages.ingest.world.tastes import Groups, People, shares

LASTING, PASSING, VISUAL, ACCIDENT, HOUR = range(5)
CAUSES = ("lasting", "passing", "visual", "accident", "hour")


class MixtureSettings(Record):
    """What an act is drawn from.

    On a household's evening it follows the household's genre with chance `hour`. Else it is `lasting`, `passing`,
    `visual` or an accident, what is left to 1. Before an act that is on no such evening the passing interest switches
    to another theme, with chance `switch_new` at the beginning of a session and `switch_same` within one.
    """

    hour: float
    lasting: float
    passing: float
    visual: float
    switch_new: float
    switch_same: float

    def causes(self) -> np.ndarray:
        """The chances of LASTING, PASSING, VISUAL and ACCIDENT."""
        return np.array([self.lasting, self.passing, self.visual, 1 - self.lasting - self.passing - self.visual])


@dataclass(frozen=True)
class Acts:
    """What happened: film_UN from 0; cause_UN, a place in CAUSES; interest_UN, the passing theme; switched_UN.

    greater, ties and others rank what happened among unseen films by the chances known before; chance_UN is its own
    chance, expected_UN what that is on average.
    """

    film_UN: np.ndarray
    cause_UN: np.ndarray
    interest_UN: np.ndarray
    switched_UN: np.ndarray
    greater_UN: np.ndarray
    ties_UN: np.ndarray
    others_UN: np.ndarray
    chance_UN: np.ndarray
    expected_UN: np.ndarray


class Unseen:
    """Distributions over the films that each of some people has not seen; where none of a kind is left, over all."""

    def __init__(self, groups: Groups, fame_F: np.ndarray, unseen_UF: np.ndarray) -> None:
        self._theme_KF, self._unseen_UF = groups.theme_KF, unseen_UF
        self.any_UF = shares(fame_F * unseen_UF)

    def of(self, weight_UF: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`weight_UF` over unseen films, and for whom none of these was left."""
        left_UF = weight_UF * self._unseen_UF
        none_U = ~left_UF.any(axis=1)
        left_UF[none_U] = self.any_UF[none_U]
        return shares(left_UF), none_U

    def other_themes(self, interest_U: np.ndarray) -> np.ndarray:
        """What a switch may lead to: the mean of all themes' distributions but that of `interest_U`."""
        total_UK = self._unseen_UF @ self._theme_KF.T
        weight_UK = np.divide(1.0, total_UK, out=np.zeros_like(total_UK), where=total_UK > 0)
        none_UK = total_UK == 0
        for table in (weight_UK, none_UK):
            table[np.arange(len(interest_U)), interest_U] = 0
        sum_UF = weight_UK @ self._theme_KF * self._unseen_UF + none_UK.sum(axis=1, keepdims=True) * self.any_UF
        return sum_UF / (self._theme_KF.shape[0] - 1)


class World:
    """The people as they go through their acts, all of them step by step."""

    def __init__(
        self, groups: Groups, people: People, fame_F: np.ndarray, main: float, mixture: MixtureSettings
    ) -> None:
        self.groups, self.people, self.fame_F, self.mixture = groups, people, fame_F, mixture
        first, second = people.lasting_U2.T
        self.lasting_UF = main * groups.theme_KF[first] + (1 - main) * groups.theme_KF[second]
        self.unseen_UF = np.ones(self.lasting_UF.shape, dtype=bool)

    def chances(self, row: np.ndarray, interest_U: np.ndarray, calendar: Calendar, n: int) -> np.ndarray:
        """The chance of each film as act n of the people `row`, by all that can be known before it.

        Summed out: whether the session goes on, the hour, whether the interest switches and to what, the cause.
        """
        unseen, mix = Unseen(self.groups, self.fame_F, self.unseen_UF[row]), self.mixture
        new_U, evening_U = 1 - calendar.goes_on_UN[row, n], calendar.evening_UN[row, n]
        same_evening_U, new_evening_U = (1 - new_U) * evening_U, new_U * calendar.evening_of_new
        hour_U = mix.hour * (same_evening_U + new_evening_U)
        switch_U = mix.switch_new * (new_U - new_evening_U) + mix.switch_same * (1 - new_U - same_evening_U)
        lasting, passing, visual, accident = mix.causes()
        rest_UF = lasting * unseen.of(self.lasting_UF[row])[0] + accident * unseen.any_UF
        rest_UF += visual * unseen.of(self.groups.look_OF[self.people.look_U[row]])[0]
        chance_UF = (1 - hour_U)[:, None] * rest_UF
        chance_UF += hour_U[:, None] * unseen.of(self.groups.genre_GF[self.people.household_U[row]])[0]
        chance_UF += (passing * (1 - hour_U - switch_U))[:, None] * unseen.of(self.groups.theme_KF[interest_U])[0]
        return chance_UF + (passing * switch_U)[:, None] * unseen.other_themes(interest_U)

    def draw(
        self, row: np.ndarray, cause_U: np.ndarray, interest_U: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """A film for each of the people `row` by its cause, and the cause: an accident where no such film was left."""
        unseen = Unseen(self.groups, self.fame_F, self.unseen_UF[row])
        weight_UF = np.where((cause_U == LASTING)[:, None], self.lasting_UF[row], self.fame_F)
        for cause, table in (
            (PASSING, self.groups.theme_KF[interest_U]),
            (VISUAL, self.groups.look_OF[self.people.look_U[row]]),
            (HOUR, self.groups.genre_GF[self.people.household_U[row]]),
        ):
            weight_UF = np.where((cause_U == cause)[:, None], table, weight_UF)
        share_UF, none_U = unseen.of(weight_UF)
        cumulative_UF = np.cumsum(share_UF, axis=1)
        aim_U = rng.random(len(row)) * cumulative_UF[:, -1]
        film_U = (cumulative_UF <= aim_U[:, None]).sum(axis=1)
        self.unseen_UF[row, film_U] = False
        return film_U, np.where(none_U, ACCIDENT, cause_U)


def acts(world: World, calendar: Calendar, rng: np.random.Generator) -> Acts:
    """Let everybody act, each as often as they do; entries beyond a person's last act are -1."""
    people, mix = world.people, world.mixture
    shape = calendar.minute_UN.shape
    whole = {name: np.full(shape, -1) for name in ("film", "cause", "interest", "switched", "greater", "ties", "others")}
    chance_UN, expected_UN = np.full(shape, np.nan), np.full(shape, np.nan)
    interest_U = rng.integers(len(world.groups.theme_KF), size=shape[0])
    for n in range(shape[1]):
        row = np.flatnonzero(people.acts_U > n)
        chance_UF = world.chances(row, interest_U[row], calendar, n)
        unseen_U = world.unseen_UF[row].sum(axis=1)
        switch_U = ~calendar.household_UN[row, n] & (
            rng.random(len(row)) < np.where(calendar.same_UN[row, n], mix.switch_same, mix.switch_new)
        )
        jump_U = rng.integers(1, len(world.groups.theme_KF), len(row))
        interest_U[row] = (interest_U[row] + switch_U * jump_U) % len(world.groups.theme_KF)
        cause_U = np.searchsorted(np.cumsum(mix.causes())[:-1], rng.random(len(row)), side="right")
        cause_U = np.where(calendar.household_UN[row, n] & (rng.random(len(row)) < mix.hour), HOUR, cause_U)
        film_U, cause_U = world.draw(row, cause_U, interest_U[row], rng)
        own_U = chance_UF[np.arange(len(row)), film_U]
        greater_U, ties_U = (chance_UF > own_U[:, None]).sum(axis=1), (chance_UF == own_U[:, None]).sum(axis=1) - 1
        found = {"film": film_U, "cause": cause_U, "interest": interest_U[row], "switched": switch_U}
        for name, value_U in (found | {"greater": greater_U, "ties": ties_U, "others": unseen_U - 1}).items():
            whole[name][row, n] = value_U
        chance_UN[row, n], expected_UN[row, n] = own_U, (chance_UF**2).sum(axis=1)
    return Acts(**{f"{name}_UN": value for name, value in whole.items()}, chance_UN=chance_UN, expected_UN=expected_UN)
