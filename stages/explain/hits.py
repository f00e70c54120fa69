"""Which cases a reading named a true cause in: means with their intervals, and tests between readings."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from engine.evaluation.readings import LEADING
from engine.measures import claims, faithfulness
from engine.measures.significance import holm, randomisation

KNOWING_NOTHING = ("chance", "newest")


@dataclass
class Hits:
    """(user, hit) of each case by what is weighed, then by reading: `chance` is what a blind draw reaches, `newest` the
    last act's, `own_share` and its like the model's own weights'.
    """

    found: dict[str, dict[str, list[tuple[int, float]]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )

    def note(self, over: str, user: int, values: Mapping[str, np.ndarray], known: tuple[np.ndarray, ...]) -> None:
        """A case's hits, where there is something to find; `known`: which parts are true [P], and valid [P]."""
        true_1P, valid_1P = (flags[None] for flags in known)
        chance = float(faithfulness.chance(true_1P, valid_1P)[0])
        if np.isnan(chance):
            return
        self.found[over]["chance"].append((user, chance))
        for name, value_P in values.items():
            weight_1P = np.where(valid_1P, np.asarray(value_P, np.float64)[None], -np.inf)
            self.found[over][name].append((user, float(faithfulness.found(weight_1P, true_1P, valid_1P)[0])))

    def table(self) -> dict[str, dict[str, tuple[float, float, int]]]:
        """Mean, half of its 95 % interval (the cases of a person are one draw) and cases of each."""
        found: dict[str, dict[str, tuple[float, float, int]]] = {}
        for over, names in self.found.items():
            for name, pairs in names.items():
                users, hits = np.array(pairs).T
                found.setdefault(over, {})[name] = (float(hits.mean()), claims.half_interval(hits, users), len(hits))
        return found

    def tests(self, over: str, seed: int) -> dict[tuple[str, str], float]:
        """p of each reading against chance, the newest act and the model's own weights, and of the leading one against
        the others: paired over people, two-sided, corrected by Holm over all of one kind of part.
        """
        names = self.found[over]
        pairs = [(one, other) for one in names for other in names if one not in (other, *KNOWING_NOTHING)]
        alike = [(one, other) for one, other in pairs if len(names[one]) == len(names[other])]
        pairs = [(one, other) for one, other in alike if is_rival(other) or one == LEADING]
        sums = {name: claims.by_group(np.array(pair)[:, 1], np.array(pair)[:, 0]) for name, pair in names.items()}
        if not pairs or len(sums["chance"]) < 2:
            return {}
        p = [randomisation(sums[one], sums[other], seed=seed).p for one, other in pairs]
        return dict(zip(pairs, holm(p).tolist(), strict=True))


def is_rival(name: str) -> bool:
    """What every reading has to beat: what knows nothing, and the model's own weights."""
    return name in KNOWING_NOTHING or name.startswith("own_")
