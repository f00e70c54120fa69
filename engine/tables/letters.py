"""Letters of scripts as words are cut from texts: inside a class of a regular expression."""

import unicodedata

# Han, kana, Thai, Lao, Burmese, Khmer: they put no blanks between words
UNSPACED = (
    "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f\u3041-\u3096\u309d-\u309f\u30a1-\u30ff"
    "\uff66-\uff9f\u0e01-\u0e4e\u0e80-\u0eff\u1000-\u109f\u1780-\u17d3"
)
# of all scripts, as vowel signs and accents: no letters of their own
MARKS = "".join(c for c in map(chr, range(0x300, 0x11000)) if unicodedata.category(c)[0] == "M")


def folded(text: str) -> str:
    """A text in which one word is written one way: small letters, composed and compatible ones for others (NFKC), and
    no soft hyphens.
    """
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", text.replace("\u00ad", "")).lower()
