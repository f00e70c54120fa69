"""A person's topics: those that stood out window by window, and those of the profile that the model was given."""

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from engine.tables.topic_windows import trend, windows
from stages.explain.drawing import TrendChart, trend_chart
from stages.explain.page_contents import Topic


def windows_before(history: pl.DataFrame, until: datetime | None, window: str) -> pl.DataFrame:
    """A topic history's windows before that of an event, which holds the event itself; all where there are no times."""
    if until is None:
        return history
    start = pl.select(windows(pl.lit(until, history.schema["window"]), window)).item()
    return history.filter(pl.col("window") < start)


def topic_trends(
    history: pl.DataFrame, names: Mapping[int, str], now: Mapping[int, float], lines: int
) -> tuple[list[Topic], list[Topic], TrendChart | None]:
    """Topics by their shares `now`, the largest first; the rest; and a chart of the `lines` heaviest of one user's
    windows. Named are the `lines` largest and those of the chart.
    """
    heaviest = trend(history, int(history["user"][0]), lines) if history.height > 1 else None
    drawn: list[int] = [] if heaviest is None else heaviest["topic"].unique(maintain_order=True).to_list()
    order = sorted(now, key=lambda t: -now[t])
    shown = {*drawn, *order[:lines]}
    drawn.sort(key=lambda t: -now.get(t, 0.0))
    colours = {t: n for n, t in enumerate(drawn, 1)}
    every = [Topic(t, names.get(t, f"topic {t}"), now.get(t), colours.get(t, 0)) for t in order or drawn]
    every += [Topic(t, names.get(t, f"topic {t}"), None, colours[t]) for t in drawn if order and t not in now]
    topics = [topic for topic in every if topic.number in shown]
    rest = [topic for topic in every if topic.number not in shown]
    if heaviest is None:
        return topics, rest, None
    shares = {t: heaviest.filter(pl.col("topic") == t)["share"].to_list() for t in drawn}
    return topics, rest, trend_chart(history["window"].to_list(), shares)
