"""Words of a text: runs of letters, and pairs of letters in scripts that put no blanks between words."""

import re
import unicodedata
from collections.abc import Callable

# Han, kana, Thai, Lao, Burmese, Khmer; then the marks of all scripts, as vowel signs and accents
_UNSPACED = (
    "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f\u3041-\u3096\u309d-\u309f\u30a1-\u30ff"
    "\uff66-\uff9f\u0e01-\u0e4e\u0e80-\u0eff\u1000-\u109f\u1780-\u17d3"
)
_MARKS = "".join(c for c in map(chr, range(0x300, 0x11000)) if unicodedata.category(c)[0] == "M")
_PLAIN = r"[^\W\d_]"
_WORD = re.compile(rf"{_PLAIN}(?:{_PLAIN}|[{_MARKS}])*")
_PIECE = re.compile(rf"[{_UNSPACED}]+|[^{_UNSPACED}]+")
_RUN = re.compile(rf"[{_UNSPACED}]+")


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
            elif sum(letter not in _MARKS for letter in piece) >= minimum_letters:
                found.append(piece)
        return found

    return words
