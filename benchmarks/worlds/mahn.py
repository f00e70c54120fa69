"""Chapters and moods: an act leads on only where its picture agrees with what was read before.

Items have a chapter and a light, bright or dark, both seen in the picture; the text of some says a mood, bright or
dark, that of the others none. A person is in the mood of the last text that said one (bright before any did). The next
act is, with chance `follows`, an item of the chapter that the person has come to, each as likely; else any item. An act
whose light is the person's mood leads on: to the chapter after its own. Any other act stops there: the person stays
with the chapter that was to come. A text that says a mood counts for its own act already.
"""

from dataclasses import dataclass

import numpy as np

from benchmarks.worlds.made import Codes, Flags, Made, Numbers, Row, World, drawn, mixed, nearest, view
from engine.training.catalog import Catalog

BRIGHT, NONE = 1, 2  # moods; 0 is dark
State = tuple[Codes, Codes]  # mood_U, and chapter_U that is to come (-1: none yet)
Traits = tuple[Codes, Codes, Codes]  # chapter_N, light_N, mood_N


@dataclass(frozen=True)
class Shape:
    """Sizes, chances, and how far pictures and texts lie about what they show."""

    people: int = 800
    items: int = 400
    acts: int = 35
    chapters: int = 20
    follows: float = 0.85
    agrees: float = 0.65
    says: float = 0.2
    width: int = 16
    words: int = 8
    noise: float = 0.25


@dataclass(frozen=True)
class Rule:
    """What pictures and texts of each kind look like, and what follows from them."""

    shape: Shape
    picture_KD: Numbers  # by chapter * 2 + light
    text_KD: Numbers  # by mood

    def traits(self, catalog: Catalog) -> Traits:
        """What the items' views show."""
        kind_N = nearest(catalog.vector("image"), self.picture_KD)
        return kind_N // 2, kind_N % 2, nearest(catalog.vector("text"), self.text_KD)

    def begin(self, people: int) -> State:
        """Before the first act."""
        return np.full(people, BRIGHT), np.full(people, -1)

    def after(self, item_U: Codes, state: State, traits: Traits) -> State:
        """After acts."""
        chapter_N, light_N, said_N = traits
        mood_U = np.where(said_N[item_U] < NONE, said_N[item_U], state[0])
        leads_U = light_N[item_U] == mood_U
        return mood_U, np.where(leads_U, (chapter_N[item_U] + 1) % self.shape.chapters, state[1])

    def chance(self, state: State, traits: Traits) -> Numbers:
        """chance_UN of each item as the next act."""
        chapter_N, light_N, _ = traits
        come_UN, alike_UN = chapter_N[None] == state[1][:, None], light_N[None] == state[0][:, None]
        follows, agrees = self.shape.follows, self.shape.agrees
        return mixed([(come_UN & alike_UN, follows * agrees), (come_UN & ~alike_UN, follows * (1 - agrees))])

    def knows(self, item_UL: Codes, catalog: Catalog) -> Numbers:
        """chance_ULN to one who knows the rule."""
        traits, state, found = self.traits(catalog), self.begin(len(item_UL)), []
        for item_U in item_UL.T:
            found.append(self.chance(state, traits))
            state = self.after(item_U, state, traits)
        return np.stack(found, 1)

    def causes(self, item_UL: Codes, catalog: Catalog) -> Flags:
        """cause_ULM: the last act that led on, where act l is of the chapter that was to come; and, where its light is
        the mood, the last act whose text said one.
        """
        traits, state = self.traits(catalog), self.begin(len(item_UL))
        chapter_N, light_N, said_N = traits
        led_U, said_U = (np.full(len(item_UL), -1) for _ in range(2))
        place_M = np.arange(item_UL.shape[1])
        found = []
        for place, item_U in enumerate(item_UL.T):
            mood_U, come_U = state
            led_UM, said_UM = led_U[:, None] == place_M, said_U[:, None] == place_M
            found.append(
                (led_UM | said_UM & (light_N[item_U] == mood_U)[:, None]) & (chapter_N[item_U] == come_U)[:, None]
            )
            state = self.after(item_U, state, traits)
            led_U = np.where(light_N[item_U] == state[0], place, led_U)
            said_U = np.where(said_N[item_U] < NONE, place, said_U)
        return np.stack(found, 1)


def made(seed: int, shape: Shape = Shape()) -> Made:
    """The world of a seed."""
    random = np.random.default_rng(seed)
    chapter_KD, light_D = random.normal(size=(shape.chapters, shape.width)), random.normal(size=shape.width)
    picture_KD = (chapter_KD[:, None] + np.stack([-light_D, light_D])).reshape(-1, shape.width)
    rule = Rule(shape, picture_KD, 1.5 * random.normal(size=(3, shape.words)))
    kind_N = random.permutation(shape.items) % len(picture_KD)
    said_N = np.where(random.random(shape.items) < shape.says, random.integers(0, NONE, shape.items), NONE)
    seen_ND = picture_KD[kind_N] + shape.noise * random.normal(size=(shape.items, shape.width))
    read_ND = rule.text_KD[said_N] + shape.noise * random.normal(size=(shape.items, shape.words))
    catalog = Catalog(shape.items, {"image": view(seen_ND), "text": view(read_ND)})
    traits, state, item = rule.traits(catalog), rule.begin(shape.people), list[Codes]()
    for _ in range(shape.acts):
        item.append(drawn(rule.chance(state, traits), random))
        state = rule.after(item[-1], state, traits)
    return Made(np.stack(item, 1), catalog, rule)


SAME = {"dim": 16, "length": 35, "objective": "full"}
WORLD = World(
    made,
    {
        "mahn": Row("mahn", SAME),
        "open gates": Row("mahn", SAME | {"gates": "open"}),
        "no views": Row("mahn", SAME | {"views": []}),
        "gru4rec": Row("gru4rec", {"dim": 48, "length": 35, "dropout": 0.1, "objective": "full"}),
        "popularity": Row("popularity", {}),
    },
    [("mahn", "open gates"), ("open gates", "no views"), ("mahn", "no views")],
)
