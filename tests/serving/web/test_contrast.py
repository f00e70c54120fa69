"""Text of the web app stands out from what is behind it, in light and in dark: WCAG 2.2, at least 4.5:1."""

import re
from pathlib import Path

import pytest

from serving.web import app
from tests.contrast import colour, contrast, schemes

CSS = Path(app.__file__).with_name("static").joinpath("app.css").read_text(encoding="utf-8")
TEXT, DRAWN = 4.5, 3.0
GROUNDS = ("paper", "card")
PAIRS = [(text, ground) for text in ("ink", "soft", "miss") for ground in GROUNDS] + [("used-ink", "used")]
BARS = [(bar, "card") for bar in ("bar", "against")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_text_stands_out(scheme: str, text: str, ground: str) -> None:
    named = schemes(CSS)[scheme]
    assert contrast(colour(named[text]), colour(named[ground])) >= TEXT


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("bar", "ground"), BARS)
def test_bars_stand_out(scheme: str, bar: str, ground: str) -> None:
    named = schemes(CSS)[scheme]
    assert contrast(colour(named[bar]), colour(named[ground])) >= DRAWN


def test_every_colour_of_the_style_is_one_of_those_that_were_measured() -> None:
    rules = CSS[CSS.index("* {") :]
    texts = {f"var(--{text})" for text, _ in PAIRS}
    drawn = {f"var(--{bar})" for bar, _ in BARS}
    assert set(re.findall(r"(?<![\w-])color: ([^;}]+?)[;}]", rules)) <= texts
    assert set(re.findall(r"(?<![\w-])fill: ([^;}]+?)[;}]", rules)) - {"none"} <= drawn
    grounds = {f"var(--{ground})" for _, ground in PAIRS} | {"var(--track)", "none"}  # the track holds a bar, no text
    assert set(re.findall(r"background(?:-color)?: ([^;}]+?)[;}]", rules)) <= grounds
    assert not re.search(r"(?<![\w-])opacity:", rules), "what dims text dims its contrast"
    assert not re.search(r"(?<![\w-])(?:color|background|fill|stroke|border[a-z-]*):[^;}]*#", rules), (
        "a colour without a name"
    )
