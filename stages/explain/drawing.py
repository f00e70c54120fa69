"""Weights as what is seen: shades of words, boxes on pictures, lines of topics by window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

LEVELS = 5  # shades; 0 is none
FULL_SHADE = 3.0  # a share of so many times the even share has the full shade
NUMBERED = 3  # regions with a number


@dataclass(frozen=True)
class TextSpan:
    """A stretch of text: a word that was weighed, or what lies between words (weight None)."""

    text: str
    level: int = 0
    weight: float | None = None


@dataclass(frozen=True)
class RegionBox:
    """A box in percent of the picture; `number` 1 speaks for most, -1 against most, 0 is none of the first few."""

    left: float
    top: float
    width: float
    height: float
    weight: float
    level: int
    number: int
    word: str


@dataclass(frozen=True)
class TrendLine:
    """A topic's line through the windows: points of an SVG path."""

    topic: int
    points: list[tuple[float, float]]

    @property
    def path(self) -> str:
        """The points as SVG writes them."""
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self.points)


@dataclass(frozen=True)
class TrendChart:
    """Lines in a plane of `width` by `height`, with the places of the ticks."""

    lines: list[TrendLine]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    width: int = 560
    height: int = 210


def shade_levels(weights: Sequence[float], kind: str) -> list[int]:
    """Shades of the parts of one whole, -5 to 5. A share's begins above the even share, so even shares are bare."""
    if not weights:
        return []
    if kind == "share":
        parts = [(w * len(weights) - 1) / (FULL_SHADE - 1) for w in weights]
        return [round(LEVELS * min(max(p, 0.0), 1.0)) for p in parts]
    most = 1.0 if kind == "gate" else max(abs(w) for w in weights) or 1.0
    return [round(LEVELS * min(max(w / most, -1.0), 1.0)) for w in weights]


def text_spans(text: str, spans: Sequence[tuple[int, int]], weights: dict[int, float], kind: str) -> list[TextSpan]:
    """`text` cut at its words (`spans`, in order); `weights` by the word's number from 1.

    Raises:
        ValueError: a span lies outside the text: the words are another text's.
    """
    number = sorted(weights)
    level = dict(zip(number, shade_levels([weights[n] for n in number], kind), strict=True))
    found, end = [], 0
    for n, (start, stop) in enumerate(spans, 1):
        if not end <= start <= stop <= len(text):
            raise ValueError(f"word {n} lies at {start}:{stop} of a text of {len(text)} letters after {end}")
        found += [TextSpan(text[end:start]), TextSpan(text[start:stop], level.get(n, 0), weights.get(n))]
        end = stop
    return [span for span in [*found, TextSpan(text[end:])] if span.text]


def region_boxes(
    boxes: Sequence[Sequence[float]], weights: dict[int, float], kind: str, words: dict[int, str]
) -> list[RegionBox]:
    """The weighed boxes, the heaviest last so that it lies on top; `weights` and `words` by the box's number from 1."""
    order = sorted(weights, key=lambda n: weights[n])
    level = shade_levels([weights[n] for n in order], kind)
    found = []
    for place, n in enumerate(order):
        left, top, right, bottom = (100 * edge for edge in boxes[n - 1])
        number = 0
        if level[place] > 0 and len(order) - place <= NUMBERED:
            number = len(order) - place
        elif level[place] < 0 and place < NUMBERED:
            number = -place - 1
        word = words.get(n, "")
        found.append(RegionBox(left, top, right - left, bottom - top, weights[n], level[place], number, word))
    return found


def trend_chart(windows: Sequence[datetime], shares: Mapping[int, Sequence[float]]) -> TrendChart | None:
    """Shares of topics by window as lines over time; None for fewer than two windows."""
    if len(windows) < 2:
        return None
    plane = TrendChart([], [], [])
    left, right, top, bottom = 38.0, plane.width - 12.0, 10.0, plane.height - 26.0
    first, span = windows[0], (windows[-1] - windows[0]).total_seconds()
    highest = max(max(line) for line in shares.values()) if shares else 1.0
    scale = next(s for s in (0.1, 0.2, 0.25, 0.5, 1.0) if s >= min(highest, 1.0))
    at = [left + (right - left) * (w - first).total_seconds() / span for w in windows]
    lines = [
        TrendLine(topic, [(x, bottom - (bottom - top) * min(y / scale, 1.0)) for x, y in zip(at, line, strict=True)])
        for topic, line in shares.items()
    ]
    y_ticks = [(bottom - (bottom - top) * part, f"{100 * scale * part:g}%") for part in (0.0, 0.5, 1.0)]
    step = max(len(windows) - 1, 1) / min(len(windows) - 1, 4)
    ticks = sorted({round(n * step) for n in range(min(len(windows) - 1, 4) + 1)})
    x_ticks: list[tuple[float, str]] = []
    for n in ticks:
        # acts cluster: a tick that would touch the one before is left out
        if not x_ticks or at[n] - x_ticks[-1][0] > 70:
            x_ticks.append((at[n], windows[n].strftime("%d %b %Y" if span < 200 * 86400 else "%b %Y")))
    return TrendChart(lines, x_ticks, y_ticks)
