"""What an act of the demo's people is drawn from: the chance of every film, given all that can be known before."""

import numpy as np
from pydantic import Field

from engine.tables.settings import Record
from stages.ingest.world.calendar import Calendar
from stages.ingest.world.people import Groups, People, normalise_rows

LASTING, PASSING, VISUAL, ACCIDENT, HOUR = range(5)
CAUSES = ("lasting", "passing", "visual", "accident", "hour")


class MixtureSettings(Record):
    """What an act is drawn from.

    An idle act is an accident. On a household's evening an act follows the household's theme with chance `hour`. Else
    it is an accident with chance `accident`, or of a `lasting`, `passing` or `visual` taste: these are the weights
    among all people, one person's are drawn by a Dirichlet distribution around them, more alike the larger its sum
    `alike`. Before an act that is neither idle nor on such an evening the passing interest switches to another theme,
    with chance `switch_new` at the beginning of a session and `switch_same` within one. Before any act the visual taste
    moves to another look with chance `switch_look`. An interest or a look of which nothing unseen is left switches for
    certain.
    """

    hour: float = Field(ge=0, le=1, description="chance that an act on a household's evening follows its theme")
    lasting: float = Field(gt=0, description="weight of a person's lasting tastes among the causes")
    passing: float = Field(gt=0, description="weight of the passing interest among the causes")
    visual: float = Field(gt=0, description="weight of the visual taste among the causes")
    accident: float = Field(ge=0, le=1, description="chance that an act has none of these causes")
    alike: float = Field(gt=0, description="how alike people's weights are: the sum of the Dirichlet distribution")
    switch_new: float = Field(ge=0, le=1, description="chance that the passing interest switches as a session begins")
    switch_same: float = Field(ge=0, le=1, description="chance that the passing interest switches within a session")
    switch_look: float = Field(ge=0, le=1, description="chance that the visual taste moves before an act")

    def draw_causes(self, people: int, rng: np.random.Generator) -> np.ndarray:
        """Each person's chances of LASTING, PASSING, VISUAL and ACCIDENT, cause_U4."""
        weight_3 = np.array([self.lasting, self.passing, self.visual])
        taste_U3 = rng.dirichlet(self.alike * weight_3 / weight_3.sum(), people) * (1 - self.accident)
        return np.hstack([taste_U3, np.full((people, 1), self.accident)])


class Unseen:
    """Distributions over the films that each of some people has not seen; where none of a kind is left, over all."""

    def __init__(self, fame_F: np.ndarray, unseen_UF: np.ndarray) -> None:
        self._unseen_UF = unseen_UF
        self.any_UF = normalise_rows(fame_F * unseen_UF)

    def none_left(self, weight_UF: np.ndarray) -> np.ndarray:
        """For whom no film with a weight is left."""
        found: np.ndarray = ~((weight_UF > 0) & self._unseen_UF).any(axis=1)
        return found

    def restrict(self, weight_UF: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`weight_UF` over unseen films, and for whom none of these was left."""
        left_UF: np.ndarray = weight_UF * self._unseen_UF
        none_U = self.none_left(weight_UF)
        left_UF[none_U] = self.any_UF[none_U]
        return normalise_rows(left_UF), none_U

    def after_switch(self, group_KF: np.ndarray, now_U: np.ndarray) -> np.ndarray:
        """What a switch may lead to: the mean of the distributions of all groups but that of `now_U`."""
        total_UK = self._unseen_UF @ group_KF.T
        weight_UK = np.divide(1.0, total_UK, out=np.zeros_like(total_UK), where=total_UK > 0)
        none_UK = total_UK == 0
        for table in (weight_UK, none_UK):
            table[np.arange(len(now_U)), now_U] = 0
        sum_UF = weight_UK @ group_KF * self._unseen_UF + none_UK.sum(axis=1, keepdims=True) * self.any_UF
        found: np.ndarray = sum_UF / (len(group_KF) - 1)
        return found


class World:
    """The people as they go through their acts, all of them step by step."""

    def __init__(
        self,
        groups: Groups,
        people: People,
        fame_F: np.ndarray,
        main: float,
        mixture: MixtureSettings,
        cause_U4: np.ndarray,
    ) -> None:
        self.groups, self.people, self.fame_F = groups, people, fame_F
        self.mixture, self.cause_U4 = mixture, cause_U4
        first, second = people.lasting_U2.T
        self.lasting_UF = main * groups.theme_KF[first] + (1 - main) * groups.theme_KF[second]
        self.unseen_UF = np.ones(self.lasting_UF.shape, dtype=bool)

    def film_chances(
        self, row: np.ndarray, interest_U: np.ndarray, look_U: np.ndarray, calendar: Calendar, n: int
    ) -> np.ndarray:
        """The chance of each film as act n of the people `row`, by all that can be known before it.

        Summed out: whether the session goes on, the hour, whether the interest switches and to what, the cause.
        """
        unseen, mix = Unseen(self.fame_F, self.unseen_UF[row]), self.mixture
        new_U, evening_U = 1 - calendar.goes_on_UN[row, n], calendar.evening_UN[row, n]
        same_evening_U, new_evening_U = (1 - new_U) * evening_U, new_U * calendar.evening_of_new
        hour_U, idle_U = mix.hour * (same_evening_U + new_evening_U), new_U * calendar.idle_of_new
        else_U = 1 - hour_U - idle_U
        theme_UF, look_UF = self.groups.theme_KF[interest_U], self.groups.look_OF[look_U]
        turn_U = np.where(unseen.none_left(look_UF), 1.0, mix.switch_look)[:, None]
        switch_U = mix.switch_new * (new_U - new_evening_U - idle_U) + mix.switch_same * (1 - new_U - same_evening_U)
        switch_U = np.where(unseen.none_left(theme_UF), else_U, switch_U)
        lasting_U, passing_U, visual_U, accident_U = self.cause_U4[row].T
        rest_UF = lasting_U[:, None] * unseen.restrict(self.lasting_UF[row])[0] + accident_U[:, None] * unseen.any_UF
        visual_UF = (1 - turn_U) * unseen.restrict(look_UF)[0]
        visual_UF += turn_U * unseen.after_switch(self.groups.look_OF, look_U)
        rest_UF += visual_U[:, None] * visual_UF
        chance_UF: np.ndarray = else_U[:, None] * rest_UF + idle_U[:, None] * unseen.any_UF
        chance_UF += hour_U[:, None] * unseen.restrict(self.groups.theme_KF[self.people.household_U[row]])[0]
        chance_UF += (passing_U * (else_U - switch_U))[:, None] * unseen.restrict(theme_UF)[0]
        chance_UF += (passing_U * switch_U)[:, None] * unseen.after_switch(self.groups.theme_KF, interest_U)
        return chance_UF

    def draw_films(
        self,
        row: np.ndarray,
        cause_U: np.ndarray,
        interest_U: np.ndarray,
        look_U: np.ndarray,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        """A film for each of the people `row` by its cause, and the cause: an accident where no such film was left."""
        unseen = Unseen(self.fame_F, self.unseen_UF[row])
        weight_UF = np.where((cause_U == LASTING)[:, None], self.lasting_UF[row], self.fame_F)
        for cause, table in (
            (PASSING, self.groups.theme_KF[interest_U]),
            (VISUAL, self.groups.look_OF[look_U]),
            (HOUR, self.groups.theme_KF[self.people.household_U[row]]),
        ):
            weight_UF = np.where((cause_U == cause)[:, None], table, weight_UF)
        share_UF, none_U = unseen.restrict(weight_UF)
        cumulative_UF = np.cumsum(share_UF, axis=1)
        aim_U = rng.random(len(row)) * cumulative_UF[:, -1]
        film_U = (cumulative_UF <= aim_U[:, None]).sum(axis=1)
        self.unseen_UF[row, film_U] = False
        return film_U, np.where(none_U, ACCIDENT, cause_U)
