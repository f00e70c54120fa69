"""Texts from outside made fit for the page: no control characters, no longer than a reader reads."""

import re

from markupsafe import Markup

TITLE, TOOLTIP, TEXT, LABEL = 200, 2000, 4000, 200  # letters

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def visible(value: object) -> object:
    """A text with a mark in the place of each control character; anything else as it is."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", value) if type(value) is str else value


def shortened(text: str, letters: int) -> str:
    """The text, or its beginning with an ellipsis."""
    return text if len(text) <= letters else text[: letters - 1] + "…"


def tooltip(text: str, shown: str) -> Markup:
    """The attribute that gives the whole of a text that is shown shortened, up to a limit."""
    whole = visible(shortened(text, TOOLTIP))
    return Markup("") if text == shown else Markup(' title="{}"').format(whole)
