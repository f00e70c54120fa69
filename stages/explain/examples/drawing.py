"""An example as an SVG: a block for each item and side, a row an act, a column of bars for each cell's weights."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stages.explain.display_text import shortened, visible
from stages.explain.examples.rows import Act, Key, Told
from stages.explain.examples.settings import Example
from stages.explain.reasons import INFLUENCE

LEFT, COLUMN, ROW = 312, 112, 20  # in pixels: what acts are called, a column, a row
VALUE, TRACK = 52, 52  # within a column: where its figure ends, and how wide its bars may be
LEAST = 660  # pixels of the whole, as wide as what stands below
NAME, HEADING = 30, 64  # letters


@dataclass(frozen=True)
class Bar:
    """A weight: where its bar lies, and its figure."""

    x: float
    width: float
    zero: float
    label: str
    against: bool


@dataclass(frozen=True)
class Row:
    """An act with a bar a column; None where a cell does not weigh it."""

    y: float
    when: str
    name: str
    whole: str
    bars: list[tuple[int, Bar | None]]


@dataclass(frozen=True)
class Block:
    """The acts of one side before an item."""

    y: float
    heading: str
    note: str
    rows: list[Row]


@dataclass(frozen=True)
class Picture:
    """`heads`: x, series, its number; `columns`: x, what the weight is called; `influences`: those that are one."""

    title: str
    heads: list[tuple[float, str, int]]
    columns: list[tuple[float, str]]
    influences: list[str]
    blocks: list[Block]
    width: float
    height: float


def draw(example: Example, told: Sequence[Told]) -> str:
    """The SVG of one person."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("example.svg.j2").render(picture=picture(example, told)).strip() + "\n"


def picture(example: Example, told: Sequence[Told]) -> Picture:
    """Everything at its place."""
    keys = [(series, name) for series, shown in example.series.items() for name in shown.weights]
    at = {key: float(LEFT + n * COLUMN) for n, key in enumerate(keys)}
    first = {series: at[series, next(iter(shown.weights))] for series, shown in example.series.items()}
    heads = [(x, series, n) for n, (series, x) in enumerate(first.items())]
    blocks: list[Block] = []
    y = 84.0
    for one in told:
        for heading, note, acts in _sides(example, one):
            shown = shown_acts(example, acts, keys[0])
            rows = _rows(example, shown, at, y + 44)
            told_of = f"{note}; shown: {_which(example, len(shown), len(acts))}" if len(shown) < len(acts) else note
            blocks.append(Block(y, shortened(heading, HEADING), told_of, rows))
            y += 44 + ROW * len(rows) + 26
    columns = [(x, name) for (_, name), x in at.items()]
    weights = [pair for shown in example.series.values() for pair in shown.weights.items()]
    influences = list(dict.fromkeys(name for name, weight in weights if weight.reading == INFLUENCE))
    width = max(LEFT + COLUMN * len(keys) + 12, LEAST)
    return Picture(example.title, heads, columns, influences, blocks, width, y + 30)


def shown_acts(example: Example, acts: Sequence[Act], first: Key) -> list[Act]:
    """The last acts in order, or the heaviest by the first column, the heaviest first."""
    if example.shown_by == "time":
        return list(acts[-example.shown_acts :])
    return sorted(acts, key=lambda act: -abs(act.weights.get(first, 0.0)))[: example.shown_acts]


def _which(example: Example, shown: int, of: int) -> str:
    return f"the {'last' if example.shown_by == 'time' else 'heaviest'} {shown} of {of}"


def _sides(example: Example, one: Told) -> list[tuple[str, str, Sequence[Act]]]:
    stands = " · ".join(
        f"{series}: rank {stand.rank:g} among {stand.rivals + 1}, score {stand.score:.3g}"
        for series, stand in one.stands.items()
    )
    how = "recommended to" if example.recommended else "what came next for"
    found: list[tuple[str, str, Sequence[Act]]] = [(f"{one.title}, {how} {one.person}", stands, one.acts)]
    return found + (
        [(f"{one.title}, acts of others on it", "in training, before then", one.others)] if one.others else []
    )


def _rows(example: Example, acts: Sequence[Act], at: dict[Key, float], top: float) -> list[Row]:
    number = {series: n for n, series in enumerate(example.series)}
    scale = {key: [act.weights[key] for act in acts if key in act.weights] for key in at}
    rows = []
    for n, act in enumerate(acts):
        bars = [
            (number[key[0]], _bar(act.weights[key], scale[key], x) if key in act.weights else None)
            for key, x in at.items()
        ]
        name = act.name if act.rating is None else f"{act.name} ({act.rating:g})"
        rows.append(Row(top + ROW * n, _day(act), shortened(name, NAME), name, bars))
    return rows


def _bar(value: float, among: Sequence[float], x: float) -> Bar:
    """From 0, as long as the value is beside the column's largest; with room to both sides where one is below 0."""
    most = max(abs(v) for v in among) or 1.0
    signed = min(among) < 0
    room = TRACK / 2 if signed else float(TRACK)
    zero = x + VALUE + 4 + (room if signed else 0.0)
    width = room * abs(value) / most
    digits = min(max(2 - math.floor(math.log10(most)), 0), 5)
    return Bar(zero - width if value < 0 else zero, width, zero, f"{value:.{digits}f}", value < 0)


def _day(act: Act) -> str:
    return f"act {act.place + 1}" if act.when is None else f"{act.when:%d %b %Y}"
