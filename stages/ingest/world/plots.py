"""Plots and titles from a grammar: a film's two themes, its genre, everyday words, a word of another genre or theme."""

import re

import numpy as np

from stages.ingest.world.lexicon import lexicon

_VOWEL = re.compile(r"\b([Aa]) (?=[aeiou])")


class WordPool:
    """Words by the name of their slot, each drawn once before any is drawn again."""

    def __init__(self, words: dict[str, list[str]], rng: np.random.Generator) -> None:
        self._words = {slot: list(found) for slot, found in words.items()}
        self._left: dict[str, list[str]] = {slot: [] for slot in self._words}
        self._rng = rng

    def draw(self, slot: str) -> str:
        """The next word of `slot`."""
        if not self._left[slot]:
            self._left[slot] = self._rng.permutation(np.array(self._words[slot], dtype=object)).tolist()
        return self._left[slot].pop()

    def fill(self, sentence: str) -> str:
        """`sentence` with a word in each slot, and `an` where a vowel follows."""
        return _VOWEL.sub(r"\1n ", re.sub(r"{(\w+)}", lambda match: self.draw(match[1]), sentence))


def film_words(genre: str, first: str, second: str, rng: np.random.Generator) -> WordPool:
    """A film's words: t1 p1 l1 v1 of its first theme, … 2 of its second, g… its genre's, e… everyday; d distracts."""
    world = lexicon()
    words: dict[str, list[str]] = {}
    for number, name in (("1", first), ("2", second)):
        theme = world.themes[name]
        words |= {"t" + number: theme.things, "p" + number: theme.people}
        words |= {"l" + number: theme.places, "v" + number: theme.verbs}
    own, everyday = world.genres[genre], world.everyday
    words |= {"ga": own.adjectives, "gp": own.people, "gt": own.things, "n": [str(rng.choice(everyday.names))]}
    words |= {"et": everyday.things, "ep": everyday.people, "el": everyday.places, "w": everyday.times}
    words["d"] = [word for name, other in world.genres.items() if name != genre for word in other.things]
    words["d"] += [word for name, theme in world.themes.items() if name not in (first, second) for word in theme.things]
    return WordPool(words, rng)


def write_plot(words: WordPool, mix: dict[str, tuple[int, int]], rng: np.random.Generator) -> str:
    """A plot: an opening, then as many sentences of each kind in `mix` as drawn from its (least, most), a closing."""
    world = lexicon()
    middle = [
        sentence
        for kind, (least, most) in mix.items()
        for sentence in rng.choice(getattr(world, kind), size=int(rng.integers(least, most + 1)), replace=False)
    ]
    chosen = [rng.choice(world.openings), *rng.permutation(np.array(middle, dtype=object)), rng.choice(world.closings)]
    return " ".join(words.fill(str(sentence)) for sentence in chosen)


def write_title(words: WordPool, taken: set[str], rng: np.random.Generator) -> str:
    """A title that no other film has, added to `taken`; a later film of the same name is a sequel by its number."""
    lower = {"of", "and", "the", "for", "to", "at", "a", "an"}
    for _ in range(20):
        filled = words.fill(str(rng.choice(lexicon().titles))).split()
        found = " ".join(w if n and w.lower() in lower else w[0].upper() + w[1:] for n, w in enumerate(filled))
        if found not in taken:
            break
    part, name = 2, found
    while name in taken:
        name, part = f"{found} {part}", part + 1
    taken.add(name)
    return name
