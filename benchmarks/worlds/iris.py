"""Themes and colours: what is chosen of a theme follows the person's few earlier acts of that theme.

Items have a theme, told by signs: some are seen in the picture, some are read in the text, and some are told by both
together (yes where a detail of the picture and a word of the text are both there or both not, so that neither tells
anything by itself). They have a colour too, which no view shows: only who chose them tells it. Every person has a
colour for each theme. The next act is of any theme; with chance `follows` its colour is the person's own there, else
any other. So of all earlier acts only the few of the target's own theme say what colour it has.
"""

from dataclasses import dataclass

import numpy as np

from benchmarks.worlds.made import Codes, Flags, Made, Numbers, Row, World, drawn, view
from engine.training.catalog import Catalog


@dataclass(frozen=True)
class Shape:
    """Sizes, chances, and how far pictures and texts lie about what they show."""

    people: int = 800
    acts: int = 60
    colours: int = 5
    each: int = 2  # items of a theme and colour
    seen: int = 2
    read: int = 0
    together: int = 2
    follows: float = 0.9
    width: int = 8
    noise: float = 0.2

    @property
    def themes(self) -> int:
        return int(2 ** (self.seen + self.read + self.together))

    @property
    def items(self) -> int:
        return self.themes * self.colours * self.each


@dataclass(frozen=True)
class Rule:
    """The directions in which pictures and texts show their signs, the items' colours, and what follows from them."""

    shape: Shape
    picture_DX: Numbers  # seen signs, then details
    text_DX: Numbers  # read signs, then words
    colour_N: Codes  # of padding -1

    def themes(self, catalog: Catalog) -> Codes:
        """theme_N, as the items' views show it; of padding -1."""
        shape = self.shape
        picture_ND = np.sign(catalog.vector("image").double().numpy() @ np.linalg.pinv(self.picture_DX))
        text_ND = np.sign(catalog.vector("text").double().numpy() @ np.linalg.pinv(self.text_DX))
        together_ND = picture_ND[:, shape.seen :] * text_ND[:, shape.read :]
        sign_NT = np.concatenate([picture_ND[:, : shape.seen], text_ND[:, : shape.read], together_ND], 1)
        found: Codes = (sign_NT > 0) @ (1 << np.arange(sign_NT.shape[1]))
        found[0] = -1
        return found

    def begin(self, people: int) -> Numbers:
        """count_UZK of acts by theme and colour, before the first."""
        return np.zeros((people, self.shape.themes, self.shape.colours))

    def chance(self, colour_UZK: Numbers, theme_N: Codes) -> Numbers:
        """chance_UN of each item as the next act, given the chance of each colour in each theme."""
        each_ZK = np.zeros(colour_UZK.shape[1:])
        np.add.at(each_ZK, (theme_N[1:], self.colour_N[1:]), 1)
        item_UZK = colour_UZK / self.shape.themes / np.maximum(each_ZK, 1)
        found = np.zeros((len(colour_UZK), len(theme_N)))
        found[:, 1:] = item_UZK[:, theme_N[1:], self.colour_N[1:]]
        return found

    def counted(self, count_UZK: Numbers, item_U: Codes, theme_N: Codes) -> Numbers:
        """The counts after acts."""
        found = count_UZK.copy()
        np.add.at(found, (np.arange(len(item_U)), theme_N[item_U], self.colour_N[item_U]), 1)
        return found

    def knows(self, item_UL: Codes, catalog: Catalog) -> Numbers:
        """chance_ULN to one who knows the rule: of a theme that colour is likely which most of the acts there had."""
        theme_N, count_UZK, found = self.themes(catalog), self.begin(len(item_UL)), []
        own, other = self.shape.follows, (1 - self.shape.follows) / (self.shape.colours - 1)
        for item_U in item_UL.T:
            belief_UZK = (own / other) ** count_UZK
            belief_UZK = belief_UZK / belief_UZK.sum(2, keepdims=True)
            found.append(self.chance(belief_UZK * own + (1 - belief_UZK) * other, theme_N))
            count_UZK = self.counted(count_UZK, item_U, theme_N)
        return np.stack(found, 1)

    def causes(self, item_UL: Codes, catalog: Catalog) -> Flags:
        """cause_ULM: the acts of act l's theme and colour."""
        kind_UL = self.themes(catalog)[item_UL] * self.shape.colours + self.colour_N[item_UL]
        same: Flags = kind_UL[:, :, None] == kind_UL[:, None]
        return same


def made(seed: int, shape: Shape = Shape()) -> Made:
    """The world of a seed."""
    random = np.random.default_rng(seed)
    order_N = random.permutation(shape.items)
    theme_N, colour_N = order_N % shape.themes, order_N // shape.themes % shape.colours
    sign_NT = np.where(theme_N[:, None] >> np.arange(shape.seen + shape.read + shape.together) & 1, 1.0, -1.0)
    seen_NT, read_NT = sign_NT[:, : shape.seen], sign_NT[:, shape.seen : shape.seen + shape.read]
    detail_NT = random.choice([-1.0, 1.0], (shape.items, shape.together))
    word_NT = detail_NT * sign_NT[:, shape.seen + shape.read :]
    rule = Rule(
        shape,
        random.normal(size=(shape.seen + shape.together, shape.width)),
        random.normal(size=(shape.read + shape.together, shape.width)),
        np.concatenate([[-1], colour_N]),
    )
    views = {}
    parts = {"image": ((seen_NT, detail_NT), rule.picture_DX), "text": ((read_NT, word_NT), rule.text_DX)}
    for name, (signs, direction_DX) in parts.items():
        noise_NX = shape.noise * random.normal(size=(shape.items, shape.width))
        views[name] = view(np.concatenate(signs, 1) @ direction_DX + noise_NX)
    catalog = Catalog(shape.items, views)
    own_UZ = random.integers(0, shape.colours, (shape.people, shape.themes))
    own_UZK = own_UZ[:, :, None] == np.arange(shape.colours)
    colour_UZK = np.where(own_UZK, shape.follows, (1 - shape.follows) / (shape.colours - 1))
    chance_UN = rule.chance(colour_UZK, rule.themes(catalog))
    item_UL = np.stack([drawn(chance_UN, random) for _ in range(shape.acts)], 1)
    return Made(item_UL, catalog, rule)


SAME = {"dim": 8, "length": 60, "hidden": 32, "unit": "relu", "negatives": 4}
WORLD = World(
    made,
    {
        "iris": Row("iris", SAME),
        "its g a sigmoid, as by default": Row("iris", SAME | {"unit": "sigmoid"}),
        "added": Row("iris", SAME | {"fusion": "added"}),
        "image": Row("iris", SAME | {"fusion": "image"}),
        "fism": Row("fism", {"dim": 8, "length": 60, "negatives": 4}),
        "fism, eight times as wide": Row("fism", {"dim": 64, "length": 60, "negatives": 4}),
        "popularity": Row("popularity", {}),
    },
    [("iris", "added"), ("added", "image"), ("image", "fism"), ("iris", "fism")],
    rates=(0.02, 0.01),
)
