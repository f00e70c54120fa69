"""Texts as the web wrote them, cleaned: entities read, edges stripped."""

import html
import re
from functools import lru_cache
from typing import Any

ADDRESS = r"^https?://[^\s\"'<>]+$"  # of the web
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
