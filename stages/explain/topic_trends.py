"""A person's topics: those that stood out window by window, and those of the profile that the model was given."""

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from engine.tables.topic_windows import trend, windows
from stages.explain import drawing
from stages.explain.page import Topic


def before(known: pl.DataFrame, until: datetime | None, window: str) -> pl.DataFrame:
    """A topic history's windows before that of an act, which holds the act itself; all where there are no times."""
    if until is None:
        return known
    start = pl.select(windows(pl.lit(until, known.schema["window"]), window)).item()
    return known.filter(pl.col("window") < start)


def trends(
    known: pl.DataFrame, names: Mapping[int, str], now: Mapping[int, float], lines: int
) -> tuple[list[Topic], drawing.Chart | None]:
    """Topics with their names and their shares `now`, and a chart of the `lines` heaviest of one user's windows."""
    found = trend(known, int(known["user"][0]), lines) if known.height > 1 else None
    drawn: list[int] = [] if found is None else found["topic"].unique(maintain_order=True).to_list()
    drawn.sort(key=lambda t: -now.get(t, 0.0))
    others = [t for t in sorted(now, key=lambda t: -now[t])[:lines] if t not in drawn]
    topics = [Topic(t, names.get(t, f"topic {t}"), now.get(t), n) for n, t in enumerate(drawn, 1)]
    topics += [Topic(t, names.get(t, f"topic {t}"), now.get(t), 0) for t in others]
    if found is None:
        return topics, None
    shares = {t: found.filter(pl.col("topic") == t)["share"].to_list() for t in drawn}
    return topics, drawing.chart(known["window"].to_list(), shares)
