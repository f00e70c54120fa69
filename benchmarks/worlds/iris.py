"""Themes and colours: what is chosen of a theme follows the person's few earlier acts of that theme.

Items have a theme, told by signs: some are seen in the picture, some are read in the text, and some are told by both
together (yes where a detail of the picture and a word of the text are both there or both not, so that neither tells
anything by itself). They have a colour too, which no view shows: only who chose them tells it. Every person has a
colour for each theme. The next act is an item of any theme, with chance `follows` of the person's colour there. So of
all earlier acts only the few of the target's own theme say anything of it.
"""

from dataclasses import dataclass

import numpy as np

from benchmarks.worlds.made import Codes, Made, Numbers, Row, World, drawn, view
from engine.training.catalog import Catalog


@dataclass(frozen=True)
class Shape:
    """Sizes, chances, and how far pictures and texts lie about what they show."""

    people: int = 600
    acts: int = 40
    colours: int = 5
    each: int = 4  # items of a theme and colour
    seen: int = 1
    read: int = 1
    together: int = 1
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

    def knows(self, item_UL: Codes, catalog: Catalog) -> Numbers:
        """chance_ULN to one who knows the rule: in each theme the chance of each colour, given the acts of that theme."""
        shape, theme_N = self.shape, self.themes(catalog)
        count_UZK, found = np.zeros((len(item_UL), shape.themes, shape.colours)), []
        each_ZK = np.zeros((shape.themes, shape.colours))
        np.add.at(each_ZK, (theme_N[1:], self.colour_N[1:]), 1)
        # an item of a person's colour is this many times as likely as one of another
        kept, other = shape.follows, (1 - shape.follows) / (shape.colours - 1)
        for item_U in item_UL.T:
            belief_UZK = (kept / other) ** count_UZK
            belief_UZK = belief_UZK / belief_UZK.sum(2, keepdims=True)
            colour_UZK = (belief_UZK * kept + (1 - belief_UZK) * other) / shape.themes
            item_UZK = colour_UZK / np.maximum(each_ZK, 1)
            chance_UN = np.zeros((len(item_UL), len(theme_N)))
            chance_UN[:, 1:] = item_UZK[:, theme_N[1:], self.colour_N[1:]]
            found.append(chance_UN)
            np.add.at(count_UZK, (np.arange(len(item_UL)), theme_N[item_U], self.colour_N[item_U]), 1)
        return np.stack(found, 1)


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
    own_UZ = random.integers(0, shape.colours, (shape.people, shape.themes))
    alike_UN = own_UZ[:, theme_N] == colour_N
    chance_UN = np.zeros((shape.people, shape.items + 1))
    chance_UN[:, 1:] = np.where(alike_UN, shape.follows, (1 - shape.follows) / (shape.colours - 1))
    chance_UN /= chance_UN.sum(1, keepdims=True)
    item_UL = np.stack([drawn(chance_UN, random) for _ in range(shape.acts)], 1)
    return Made(item_UL, Catalog(shape.items, views), rule)


SAME = {"dim": 16, "length": 40, "hidden": 32}
WORLD = World(
    made,
    {
        "iris": Row("iris", SAME),
        "added": Row("iris", SAME | {"fusion": "added"}),
        "image": Row("iris", SAME | {"fusion": "image"}),
        "fism": Row("fism", {"dim": 16, "length": 40}),
        "popularity": Row("popularity", {}),
    },
    [("iris", "added"), ("added", "image"), ("image", "fism"), ("iris", "fism")],
)
