"""Columns of numbers as the lines and bars of an SVG chart: places in its plane, ticks and labels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 64.0, 16.0, 12.0, 44.0
NAMES = 110.0  # left of bars
BAR, GAP = 18.0, 12.0
TICKS = 5

Point = tuple[float, float]
Tick = tuple[float, str]


@dataclass(frozen=True)
class Series:
    """One revision's rows: x as the CSV has it (numbers, dates or names), y."""

    name: str
    rows: list[tuple[str, float]]


@dataclass(frozen=True)
class Line:
    """Points of a line in the plane, each with what it says."""

    name: str
    points: list[tuple[float, float, str]]


@dataclass(frozen=True)
class Bar:
    """A bar of a series (its number from 0): where it lies and what it says."""

    series: int
    x: float
    y: float
    width: float
    label: str


@dataclass(frozen=True)
class Chart:
    """A chart as drawn; lines or bars."""

    title: str
    x_label: str
    y_label: str
    names: list[str]
    lines: list[Line]
    bars: list[Bar]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    height: float = HEIGHT
    width: float = WIDTH


def round_ticks(low: float, high: float) -> list[float]:
    """About five round numbers that span [low, high]."""
    span = high - low or abs(high) or 1.0
    rough = span / (TICKS - 1)
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * m for m in (1, 2, 2.5, 5, 10) if unit * m >= rough * 0.999)
    first = math.floor(low / step)
    last = max(math.ceil(high / step), first + 1)
    return [round(step * n, 12) for n in range(first, last + 1)]


def line_chart(title: str, labels: tuple[str, str], series: Sequence[Series], dates: bool) -> Chart:
    """Lines over numbers, or over time (`dates`: x is ISO 8601). Both axes begin at the first tick, not at 0."""
    number = [[(_day(x) if dates else float(x), y, x) for x, y in one.rows] for one in series]
    x_all, y_all = [x for rows in number for x, _, _ in rows], [y for rows in number for _, y, _ in rows]
    y_at = round_ticks(min(y_all), max(y_all))
    x_low, x_high = min(x_all), max(x_all)

    def place(x: float, y: float) -> Point:
        along = (x - x_low) / (x_high - x_low) if x_high > x_low else 0.5
        up = (y - y_at[0]) / (y_at[-1] - y_at[0])
        return LEFT + along * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    lines = [
        Line(one.name, [(*place(x, y), f"{labels[0]} {said}: {labels[1]} {y:.4g}") for x, y, said in sorted(rows)])
        for one, rows in zip(series, number, strict=True)
    ]
    if dates:
        x_at = [x_low + (x_high - x_low) * n / (TICKS - 1) for n in range(TICKS if x_high > x_low else 1)]
    else:
        x_at = [x for x in round_ticks(x_low, x_high) if x_low <= x <= x_high] if x_high > x_low else [x_low]
    form = "%d %b %H:%M" if 0 < x_high - x_low < TICKS - 1 else "%d %b %Y"
    x_ticks = [(place(x, y_at[0])[0], _date_label(x, form) if dates else f"{x:g}") for x in x_at]
    y_ticks = [(place(x_low, y)[1], f"{y:g}") for y in y_at]
    return Chart(title, *labels, [one.name for one in series], lines, [], x_ticks, y_ticks)


def bar_chart(title: str, labels: tuple[str, str], series: Sequence[Series]) -> Chart:
    """Horizontal bars from 0 in the order of the rows, a group a name; `labels`: of the names, of the values."""
    names = list(dict.fromkeys(x for one in series for x, _ in one.rows))
    values = [0.0, *(y for one in series for _, y in one.rows)]
    at = round_ticks(min(values), max(values))
    group = BAR * len(series) + GAP
    height = TOP + group * len(names) + BOTTOM

    def along(value: float) -> float:
        return NAMES + (WIDTH - NAMES - RIGHT - 40) * (value - at[0]) / (at[-1] - at[0])

    bars = []
    for n, one in enumerate(series):
        for x, y in one.rows:
            top = TOP + group * names.index(x) + GAP / 2 + BAR * n
            bars.append(Bar(n, along(min(y, 0.0)), top, along(abs(y)) - along(0.0), f"{y:.4g}"))
    y_ticks = [(TOP + group * (n + 0.5), name) for n, name in enumerate(names)]
    x_ticks = [(along(value), f"{value:g}") for value in at]
    return Chart(title, labels[1], labels[0], [one.name for one in series], [], bars, x_ticks, y_ticks, height)


def _day(text: str) -> float:
    """A date, or a date and a time, as days."""
    return (datetime.fromisoformat(text).replace(tzinfo=None) - datetime.min) / timedelta(days=1)


def _date_label(day: float, form: str) -> str:
    return (datetime.min + timedelta(seconds=round(day * 86_400))).strftime(form)
