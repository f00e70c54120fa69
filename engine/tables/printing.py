"""Text from outside made safe to print: control characters are escaped, so that no cell drives a terminal."""

import logging
import unicodedata


def printable(text: str) -> str:
    r"""`text` on one line; control, formatting and unpaired characters stand as Python escapes them (`\x1b`)."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or unicodedata.category(c) == "Zs" else _escaped(c) for c in text)


def printable_lines(text: str) -> str:
    """The same, line by line: for a message that has several."""
    return "\n".join(map(printable, text.split("\n")))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


class PrintableFormatter(logging.Formatter):
    """Log messages without control characters."""

    def format(self, record: logging.LogRecord) -> str:
        """The message, escaped."""
        return printable_lines(super().format(record))
