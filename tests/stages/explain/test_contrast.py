"""Text on the page of reasons stands out from what is behind it, in light and in dark: WCAG 2.2, at least 4.5:1."""

import re
from pathlib import Path

import pytest

from stages.explain import page
from tests.contrast import colour, contrast, over, schemes

CSS = Path(page.__file__).with_name("page.css").read_text(encoding="utf-8")
LEAST = 4.5
GROUNDS = ("paper", "card")
PAIRS = [(text, ground) for text in ("ink", "soft", "hit", "miss") for ground in GROUNDS] + [
    ("soft", "track"),  # in the place of a picture that is not there
    ("ink", "track"),
    ("used-ink", "used"),
    ("read-ink", "read"),
    ("pin-ink", "plus"),
]


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast(colour("#777777"), colour("#ffffff")) == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_text_stands_out(scheme: str, text: str, ground: str) -> None:
    named = schemes(CSS)[scheme]
    assert contrast(colour(named[text]), colour(named[ground])) >= LEAST


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("ground", GROUNDS)
def test_words_stand_out_from_their_shades(scheme: str, ground: str) -> None:
    named = schemes(CSS)[scheme]
    shades = [over(colour(named["plus"]), float(named[f"a{level}"]), colour(named[ground])) for level in range(1, 6)]
    shades.append(over(colour(named["minus"]), 0.16, colour(named[ground])))
    assert "rgba(var(--minus), 0.16)" in CSS
    assert min(contrast(colour(named["ink"]), shade) for shade in shades) >= LEAST


def test_every_colour_of_a_text_is_one_of_those_that_were_measured() -> None:
    measured = {f"var(--{text})" for text, _ in PAIRS} | {"inherit"}
    rules = CSS[CSS.index("* {") :]
    assert set(re.findall(r"(?<![\w-])(?:color|fill): ([^;}]+?)[;}]", rules)) - {"none"} <= measured | {
        "rgb(var(--plus))",  # a region's box, and lines of topics: drawn, not written
        *(f"var(--t{n})" for n in range(1, 7)),
    }
    # what dims text dims its contrast: only pictures are
    assert re.findall(r"([^{}\n]*)\{[^}]*(?<![\w-])opacity:", rules) == [".strip li.light .poster:not(.none) "]
