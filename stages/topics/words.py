"""Words of a text: runs of letters, and pairs of letters in scripts that put no blanks between words."""

import re
from collections.abc import Callable

from engine.tables.letters import MARKS, UNSPACED

_PLAIN = r"[^\W\d_]"
_WORD = re.compile(rf"{_PLAIN}(?:{_PLAIN}|[{MARKS}])*")
_PIECE = re.compile(rf"[{UNSPACED}]+|[^{UNSPACED}]+")
_RUN = re.compile(rf"[{UNSPACED}]+")


def tokenizer(minimum_letters: int) -> Callable[[str], list[str]]:
    """Words of at least so many letters; a run of an unspaced script gives its overlapping pairs instead."""
    plain = re.compile(rf"{_PLAIN}{{{minimum_letters},}}")

    def words(text: str) -> list[str]:
        if text.isascii():
            return plain.findall(text)
        found: list[str] = []
        for piece in (p for word in _WORD.findall(text) for p in _PIECE.findall(word)):
            if _RUN.fullmatch(piece):
                found += [piece[i : i + 2] for i in range(max(len(piece) - 1, 1))]
            elif sum(letter not in MARKS for letter in piece) >= minimum_letters:
                found.append(piece)
        return found

    return words
