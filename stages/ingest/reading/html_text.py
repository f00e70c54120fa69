"""Columns of texts as the web wrote them, as they are read: entities, tags, scripts and control characters."""

import html

import polars as pl

_TAGS = (
    "a|abbr|b|big|blockquote|body|br|center|code|dd|del|div|dl|dt|em|font|form|h[1-6]|head|hr|html|i|iframe|img|input|ins"
    "|li|link|meta|nobr|ol|option|p|pre|s|script|select|small|span|strike|strong|style|sub|sup|table|tbody|td|tfoot|th"
    "|thead|title|tr|tt|u|ul|video"
)
_HIDDEN = r"(?is)<(script|style)\b[^>]*>.*?</\s*(script|style)\s*>|<!--.*?-->"  # no part of what is read
_TAG = rf"(?i)</?(?:{_TAGS})(?:\s[^<>]*)?/?>"
_CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
_NO_BLANK = r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]"  # control characters that part no words


def plain(text: pl.Series, line: bool = False) -> pl.Series:
    """Each text without entities, tags of HTML, scripts and control characters; null where nothing is left.

    Args:
        line: put it on one line, as a title is.
    """
    text = text.alias("text")
    coded = (text.str.contains("&", literal=True) & text.str.contains(";", literal=True)).fill_null(False)
    if coded.any():
        read = pl.Series(["", *map(html.unescape, text.filter(coded))], dtype=pl.String)
        text = text.zip_with(~coded, read.gather(coded.cum_sum()))
    tagged = (text.str.contains(_TAG) | text.str.contains(_HIDDEN)).fill_null(False)
    if tagged.any():
        bare = text.str.replace_all(_HIDDEN, " ").str.replace_all(_TAG, " ").str.replace_all(r"[ \t]+", " ")
        text = bare.zip_with(tagged, text)
    return one_line(text) if line else _bare(text.str.replace_all(_CONTROL, ""))


def one_line(text: pl.Series) -> pl.Series:
    """Each text on one line, without control characters; null where nothing is left."""
    return _bare(text.str.replace_all(_NO_BLANK, "").str.replace_all(r"\s+", " "))


def _bare(text: pl.Series) -> pl.Series:
    bare = pl.col("text").str.strip_chars()
    return text.alias("text").to_frame().select(pl.when(bare != "").then(bare)).to_series()
