"""Traits that texts say and pictures show in pairs of details: two stories run in turns.

Items have traits, each yes or no. A text says them one beside the other. A picture shows each by two details, there or
not: the trait is there where both are or neither is, so that no detail tells anything by itself. Some items have only
a text, some only a picture; from those that have both it can be learnt what pictures show. The next act is, with chance
`follows`, an item alike to the act before the last: its chance grows by the factor exp(pull) for each trait shared.
Else it is any item. So two stories run in turns, and the last act tells only of the other one.
"""

from dataclasses import dataclass

import numpy as np

from benchmarks.worlds.made import Codes, Flags, Made, Numbers, Row, World, drawn, view
from engine.training.catalog import Catalog

BACK = 2  # acts


@dataclass(frozen=True)
class Shape:
    """Sizes, chances, and how far pictures and texts lie about what they show."""

    people: int = 500
    items: int = 600
    acts: int = 24
    traits: int = 5
    both: float = 0.4
    written: float = 0.2
    follows: float = 0.9
    pull: float = 2.5
    width: int = 16
    words: int = 12
    noise: float = 0.2


@dataclass(frozen=True)
class Rule:
    """The directions in which pictures show details and texts say traits, and what follows from them."""

    shape: Shape
    picture_DX: Numbers  # details, two for each trait, one after the other
    text_DX: Numbers

    def traits(self, catalog: Catalog) -> Codes:
        """trait_NT, 1 or -1, as the items' views show it; 0 where an item has none."""
        seen, read = (catalog.present(name).numpy() for name in ("image", "text"))
        detail_ND = np.sign(catalog.vector("image").double().numpy() @ np.linalg.pinv(self.picture_DX))
        shown_NT = detail_ND[:, 0::2] * detail_ND[:, 1::2]
        said_NT = np.sign(catalog.vector("text").double().numpy() @ np.linalg.pinv(self.text_DX))
        known_NT: Codes = np.where(read[:, None], said_NT, shown_NT * seen[:, None]).astype(np.int64)
        return known_NT

    def chance(self, past_UT: Codes, trait_NT: Codes) -> Numbers:
        """chance_UN of each item after acts with these traits BACK acts ago."""
        known_U1 = (past_UT != 0).any(1, keepdims=True)
        alike_UN = np.exp(self.shape.pull / 2 * (past_UT @ trait_NT.T))
        alike_UN[:, 0] = 0
        any_N = np.arange(len(trait_NT)) > 0
        follows_U1 = np.where(known_U1, self.shape.follows, 0.0)
        found: Numbers = follows_U1 * alike_UN / alike_UN.sum(1, keepdims=True) + (1 - follows_U1) * any_N / any_N.sum()
        return found

    def knows(self, item_UL: Codes, catalog: Catalog) -> Numbers:
        """chance_ULN to one who knows the rule."""
        trait_NT = self.traits(catalog)
        none_UT = np.zeros((len(item_UL), self.shape.traits), np.int64)
        past = [none_UT] * BACK + [trait_NT[item_U] for item_U in item_UL.T[:-BACK]]
        return np.stack([self.chance(past_UT, trait_NT) for past_UT in past], 1)

    def causes(self, item_UL: Codes, catalog: Catalog) -> Flags:
        """cause_ULM: the act before the last."""
        people, acts = item_UL.shape
        return np.broadcast_to(np.eye(acts, k=-BACK, dtype=bool), (people, acts, acts))


def made(seed: int, shape: Shape = Shape()) -> Made:
    """The world of a seed."""
    random = np.random.default_rng(seed)
    rule = Rule(
        shape,
        random.normal(size=(2 * shape.traits, shape.width)),
        random.normal(size=(shape.traits, shape.words)),
    )
    detail_ND = random.choice([-1.0, 1.0], (shape.items, 2 * shape.traits))
    trait_NT = detail_ND[:, 0::2] * detail_ND[:, 1::2]
    seen_NX = detail_ND @ rule.picture_DX + shape.noise * random.normal(size=(shape.items, shape.width))
    read_NX = trait_NT @ rule.text_DX + shape.noise * random.normal(size=(shape.items, shape.words))
    lot_N = random.random(shape.items)
    seen_NX[lot_N < shape.written] = 0
    read_NX[lot_N >= shape.written + shape.both] = 0
    catalog = Catalog(shape.items, {"image": view(seen_NX), "text": view(read_NX)})
    known_NT, item = rule.traits(catalog), list[Codes]()
    for step in range(shape.acts):
        past = known_NT[item[step - BACK]] if step >= BACK else np.zeros((shape.people, shape.traits), np.int64)
        item.append(drawn(rule.chance(past, known_NT), random))
    return Made(np.stack(item, 1), catalog, rule)


SAME = {"dim": 32, "inner": 32, "length": 12, "dropout": 0.1, "objective": "full"}
WORLD = World(
    made,
    {
        "min_net": Row("min_net", SAME),
        "MIN-i: no translation": Row("min_net", SAME | {"translation": "none"}),
        "its loss L_i left out": Row("min_net", SAME | {"auxiliary": {"translation": 0.0}}),
        "MIN-s: the last item alone": Row("min_net", SAME | {"sequence": "last"}),
        "MIN-v: no pictures": Row("min_net", SAME | {"views": ["text"]}),
        "MIN-t: no texts": Row("min_net", SAME | {"views": ["image"]}),
        "sasrec": Row("sasrec", {"dim": 32, "length": 12}),
        "popularity": Row("popularity", {}),
    },
    [
        ("min_net", "MIN-i: no translation"),
        ("min_net", "MIN-s: the last item alone"),
        ("min_net", "MIN-v: no pictures"),
        ("min_net", "MIN-t: no texts"),
    ],
)
