"""Tastes and standings that drift: of what a person rated before, only what is of the asked item's kind tells.

Items are of kinds, which their categories name. A rating is the middle, what the person thinks of the item's kind at
that moment, how the item stands at that moment, and noise. What a person thinks of one kind says nothing of another.
Tastes and standings drift: from one moment to the next each keeps a share of itself, the rest is drawn anew, so that
their spreads stay. At every moment everyone rates one item, any.
"""

from dataclasses import dataclass

import numpy as np

from benchmarks.worlds.made import Codes, Flags, Made, Numbers, Row, World
from engine.training.catalog import Catalog
from engine.training.categories import Categories

MIDDLE = 3.0


@dataclass(frozen=True)
class Shape:
    """Sizes; spreads of tastes, standings and noise; the share of itself that each keeps from moment to moment."""

    people: int = 600
    items: int = 12
    acts: int = 27
    kinds: int = 3
    taste: float = 1.0
    standing: float = 0.4
    noise: float = 0.3
    taste_kept: float = 0.99
    standing_kept: float = 0.95


@dataclass(frozen=True)
class Rule:
    """What ratings follow from."""

    shape: Shape

    def expects(self, item_UL: Codes, rating_UL: Numbers, catalog: Catalog) -> Numbers:
        """expected_UL of each rating to one who knows the rule and all ratings of moments before: a Kalman filter over
        everyone's tastes and all standings, which is exact here.
        """
        shape, people, kinds = self.shape, len(item_UL), self.shape.kinds
        kind_UL = catalog.categories.path_ZD[:, 0].numpy()[item_UL - 1] - 1
        tastes = people * kinds
        taste_S = np.arange(tastes + catalog.items + 1) < tastes
        kept_S = np.where(taste_S, shape.taste_kept, shape.standing_kept)
        drawn_S = np.where(taste_S, shape.taste**2, shape.standing**2)
        mean_S, cov_SS, found = np.zeros(len(drawn_S)), np.diag(drawn_S), list[Numbers]()
        for item_U, kind_U, rating_U in zip(item_UL.T, kind_UL.T, rating_UL.T, strict=True):
            own_U, its_U = np.arange(people) * kinds + kind_U, tastes + item_U
            found.append(MIDDLE + mean_S[own_U] + mean_S[its_U])
            with_SU = cov_SS[:, own_U] + cov_SS[:, its_U]
            among_UU = with_SU[own_U] + with_SU[its_U] + shape.noise**2 * np.eye(people)
            gain_SU = np.linalg.solve(among_UU, with_SU.T).T
            mean_S = kept_S * (mean_S + gain_SU @ (rating_U - found[-1]))
            cov_SS = kept_S[:, None] * (cov_SS - gain_SU @ with_SU.T) * kept_S + np.diag((1 - kept_S**2) * drawn_S)
        return np.stack(found, 1)

    def causes(self, item_UL: Codes, catalog: Catalog) -> Flags:
        """cause_ULM: the ratings of items of the asked one's kind."""
        kind_UL = catalog.categories.path_ZD[:, 0].numpy()[item_UL - 1]
        same: Flags = kind_UL[:, :, None] == kind_UL[:, None]
        return same


def made(seed: int, shape: Shape = Shape()) -> Made:
    """The world of a seed."""
    random = np.random.default_rng(seed)
    kind_N = np.arange(shape.items + 1) % shape.kinds
    item_UL = random.integers(1, shape.items + 1, (shape.people, shape.acts))
    taste_UK = random.normal(size=(shape.people, shape.kinds))
    standing_N = random.normal(size=shape.items + 1)
    rating = list[Numbers]()
    for item_U in item_UL.T:
        own_U = shape.taste * taste_UK[np.arange(shape.people), kind_N[item_U]]
        rating.append(
            MIDDLE + own_U + shape.standing * standing_N[item_U] + shape.noise * random.normal(size=shape.people)
        )
        taste_UK = _later(taste_UK, shape.taste_kept, random)
        standing_N = _later(standing_N, shape.standing_kept, random)
    catalog = kinds([f"kind {kind}" for kind in kind_N[1:]])
    return Made(item_UL, catalog, Rule(shape), np.stack(rating, 1))


def kinds(name: list[str]) -> Catalog:
    """A catalog of items of these kinds, item 1 first."""
    return Catalog(len(name), categories=Categories.of(np.arange(1, len(name) + 1), [[one] for one in name], len(name)))


def _later(value: Numbers, kept: float, random: np.random.Generator) -> Numbers:
    """Values of spread 1 a moment later."""
    found: Numbers = kept * value + np.sqrt(1 - kept**2) * random.normal(size=value.shape)
    return found


SAME = {
    "dim": 8,
    "hidden": 16,
    "inner": 16,
    "length": 6,
    "item_length": 4,
    "dropout": 0.0,
    "readings": {"activation": "tanh"},
}
BATCH = 128
NONE, TAGM = SAME | {"features": "none"}, {"gate": "own"}
RUNNING = {
    "person": "history",
    "length": [3, 5, 10, 20, 40],
    "user_damping": [0, 1, 3, 10],
    "item_damping": [1, 3, 10, 30],
}
WORLD = World(
    made,
    {
        "iarn": Row("iarn", SAME, BATCH),
        "IARN-Plain: no categories": Row("iarn", NONE, BATCH),
        "TAGM": Row("iarn", NONE | TAGM, BATCH),
        "TAGM with categories": Row("iarn", SAME | TAGM, BATCH),
        "LSTM": Row("iarn", NONE | {"gate": "none", "cell": "lstm"}, BATCH),
        "running bias": Row("biases", RUNNING),
        "running bias of the same acts": Row("biases", RUNNING | {"length": SAME["length"]}),
        "mean": Row("biases", {"of": "none"}),
    },
    [
        ("iarn", "TAGM"),
        ("iarn", "TAGM with categories"),
        ("TAGM", "LSTM"),
        ("LSTM", "running bias"),
        ("LSTM", "running bias of the same acts"),
    ],
    rates=(0.02,),
    rated=True,
    blind=("all items of one kind", lambda catalog, seed: kinds(["one"] * catalog.items)),
)
