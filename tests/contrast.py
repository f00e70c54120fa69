"""How far a style's colours stand out from one another, by WCAG 2.2."""

import re

Colour = tuple[float, float, float]


def schemes(css: str) -> dict[str, dict[str, str]]:
    """The variables of both schemes; the dark one changes some of the light one's."""
    light, dark = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    named = [dict(re.findall(r"--([\w-]+): ([^;]+);", block)) for block in (light, dark)]
    return {"light": named[0], "dark": named[0] | named[1]}


def colour(text: str) -> Colour:
    """Red, green and blue from 0 to 255 of `#rrggbb` or `r, g, b`."""
    if text.startswith("#"):
        red, green, blue = (int(text[at : at + 2], 16) for at in (1, 3, 5))
        return red, green, blue
    red, green, blue = (float(part) for part in text.split(","))  # type: ignore[assignment]
    return red, green, blue


def over(above: Colour, share: float, below: Colour) -> Colour:
    """A colour of some opacity on another."""
    red, green, blue = (share * a + (1 - share) * b for a, b in zip(above, below, strict=True))
    return red, green, blue


def contrast(one: Colour, other: Colour) -> float:
    """The ratio of WCAG 2.2."""

    def light(of: Colour) -> float:
        linear = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in of]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)
