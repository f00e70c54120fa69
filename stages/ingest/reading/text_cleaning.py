"""Texts as the web wrote them, cleaned: entities read, edges stripped, tags taken out; one, or a column at a time."""

import html
import re
from functools import lru_cache
from typing import Any

import polars as pl

_SOURCE = re.compile(
    r"</?(?:a|body|br|div|form|head|html|img|input|li|link|meta|p|script|span|style|table|td|tr|ul)\b[^<>]*>"
    r"|<!--|<!doctype"
    r"|\bvar\s+\w+\s*=|\bfunction\b\s*(?:\w+\s*)?\([\w\s,]*\)\s*\{|\b(?:document|window)\.\w+\s*[=(.]"
    r"|[.#][\w-]+\s*\{[^{}:]*:|\{[^{}:]*:[^{};]*;",
    re.IGNORECASE,
)


def decode(line: bytes) -> str:
    """A line of UTF-8, or where it is none of latin-1, in which every byte is a letter."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")


_TAGS = (
    "a|abbr|b|big|blockquote|body|br|center|code|dd|del|div|dl|dt|em|font|form|h[1-6]|head|hr|html|i|iframe|img|input|ins"
    "|li|link|meta|nobr|ol|option|p|pre|s|script|select|small|span|strike|strong|style|sub|sup|table|tbody|td|tfoot|th"
    "|thead|title|tr|tt|u|ul|video"
)
_HIDDEN = r"(?is)<(script|style)\b[^>]*>.*?</\s*(script|style)\s*>|<!--.*?-->"  # no part of what is read
_TAG = rf"(?i)</?(?:{_TAGS})(?:\s[^<>]*)?/?>"
_CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"


def clean(text: str) -> str:
    """One text."""
    return (html.unescape(text) if "&" in text and ";" in text else text).strip()


def is_page_source(text: str) -> bool:
    """Whether a text is a piece of a page's HTML, script or style: where dumps have lost the place of a title."""
    return _SOURCE.search(text) is not None


def clean_join(found: Any) -> str:
    """One text, or those of a list in a row."""
    if isinstance(found, str):
        return clean(found)
    parts = found or []
    return " ".join(text for part in parts if isinstance(part, str) and (text := clean(part)))


@lru_cache(1 << 14)
def clean_path(names: tuple[str, ...]) -> list[str]:
    """One path of categories, its names cleaned; they are the same for many products.

    Raises:
        TypeError: a name is no text.
    """
    if any(type(name) is not str for name in names):
        raise TypeError(names)
    return [cleaned for name in names if (cleaned := clean(name))]


def column(text: pl.Series) -> pl.Series:
    """Each text of a column; null where nothing is left."""
    coded = (text.str.contains("&", literal=True) & text.str.contains(";", literal=True)).fill_null(False)
    if coded.any():
        read = pl.Series(["", *map(html.unescape, text.filter(coded))], dtype=pl.String)
        text = text.zip_with(~coded, read.gather(coded.cum_sum()))
    stripped = text.str.strip_chars().alias("text")
    return stripped.to_frame().select(pl.when(pl.col("text") != "").then(pl.col("text"))).to_series()


def plain(text: pl.Series, line: bool = False) -> pl.Series:
    """Each text of a column as it is read: `column`'s, without tags of HTML, scripts and control characters.

    Args:
        line: put it on one line, as a title is.
    """
    found = column(text).alias("text")
    tagged = (found.str.contains(_TAG) | found.str.contains(_HIDDEN)).fill_null(False)
    if tagged.any():
        bare = found.str.replace_all(_HIDDEN, " ").str.replace_all(_TAG, " ").str.replace_all(r"[ \t]+", " ")
        found = bare.zip_with(tagged, found)
    found = found.str.replace_all(_CONTROL, "")
    if line:
        found = found.str.replace_all(r"\s+", " ")
    return column(found)
