"""Titles of films as MovieLens writes them, `Usual Suspects, The (1995)`, and whether another name means the same."""

import re
import unicodedata
from dataclasses import dataclass

_YEAR = re.compile(r"\s*\((\d{4})(?:[-\u2013]\d{0,4})?\)\s*(?:\((?:V|TV)\)\s*)?$")
_BESIDE = re.compile(r"\(([^()]*)\)")  # another name of it, in brackets
_KNOWN_AS = re.compile(r"^a\.?k\.?a\.?:?\s+", re.IGNORECASE)
_ARTICLES = "the a an le la les l' un une el los las una il lo i gli der die das ein eine det den de het o os as"
_BEHIND = re.compile(rf"^(.*), ({'|'.join(_ARTICLES.split())})$", re.IGNORECASE)
_BEFORE = re.compile(r"^(?:the|an|a) (?=.)")


@dataclass(frozen=True)
class FilmTitle:
    """What a film is called, its main name first, and the year that stands behind."""

    names: tuple[str, ...]
    year: int | None

    @staticmethod
    def parse(text: str) -> "FilmTitle":
        """Names with their articles in front; those in brackets are others of the same film."""
        year = _YEAR.search(text)
        rest = text[: year.start()] if year else text
        beside = [_KNOWN_AS.sub("", name.strip()) for name in _BESIDE.findall(rest)]
        names = [_in_front(name) for name in (_BESIDE.sub(" ", rest), *beside)]
        return FilmTitle(tuple(dict.fromkeys(name for name in names if name)), int(year[1]) if year else None)

    @property
    def keys(self) -> frozenset[str]:
        """The names without case, accents, signs and the article in front; of no letter or digit there is none."""
        return frozenset(key for key in map(_key, self.names) if key)

    def means(self, other: "FilmTitle") -> bool:
        """Whether the year and one of the names are the same."""
        return self.year is not None and self.year == other.year and not self.keys.isdisjoint(other.keys)


def _in_front(name: str) -> str:
    name = " ".join(name.split())
    found = _BEHIND.match(name)
    if not found:
        return name
    return found[2] + ("" if found[2].endswith("'") else " ") + found[1]


def _key(name: str) -> str:
    plain = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c))
    words = re.sub(r"[\W_]+", " ", plain.replace("'", "").replace("\u2019", "").replace("&", " and ")).strip()
    return _BEFORE.sub("", words)
