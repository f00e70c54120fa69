"""An item as the page shows it: its title, text and picture, with what was weighed inside it."""

from dataclasses import dataclass

import polars as pl

from stages.explain import drawing
from stages.explain.display_text import LABEL, TEXT, TITLE, shortened, tooltip
from stages.explain.page import ItemCard
from stages.explain.posters import Poster


@dataclass(frozen=True)
class Reason:
    """Weights over the parts of one whole, in order: number (of a history: the event's position), label, weight."""

    kind: str
    faithful: bool
    parts: list[tuple[int, str | None, float]]

    @property
    def weights(self) -> dict[int, float]:
        """By the part's number."""
        return {part: weight for part, _, weight in self.parts}


@dataclass(frozen=True)
class ItemContents:
    """By item: title, text, status of text and picture, spans of words, boxes of regions, poster."""

    titles: dict[int, str | None]
    texts: dict[int, str | None]
    status: dict[int, tuple[str, str]]
    spans: dict[int, list[tuple[int, int]]]
    boxes: dict[int, list[list[float]]]
    posters: dict[int, Poster]


@dataclass(frozen=True)
class Whole:
    """What is weighed in parts: a history (`about` 0, no position), an item, or an item as it was acted on once."""

    over: str
    about: int = 0
    position: int | None = None


Reasons = dict[Whole, Reason]
OF_HISTORY = pl.col("about") == 0


def group_reasons(rows: pl.DataFrame) -> Reasons:
    """The reasons of one person's first recommendation, of REASONS rows: of two over the same whole, the first."""
    first = rows.filter(pl.col("rank") == 1).with_columns(
        part=pl.when(OF_HISTORY).then(pl.coalesce("position", "part")).otherwise("part"),
        position=pl.when(~OF_HISTORY).then("position"),
    )
    found: Reasons = {}
    for (over, about, position, kind, faithful), parts in first.group_by(
        "over", "about", "position", "kind", "faithful", maintain_order=True
    ):
        weighed = list(parts.select("part", "label", "weight").iter_rows())
        whole = Whole(str(over), int(about), None if position is None else int(position))
        found.setdefault(whole, Reason(str(kind), bool(faithful), weighed))
    return found


def item_card(contents: ItemContents, item: int, reasons: Reasons, position: int | None = None) -> ItemCard:
    """An item with what was weighed inside it: as the event at `position` of the history, else as the recommended."""
    words, regions, pairs, views = (
        reasons.get(Whole(over, item, position)) for over in ("word", "region", "word_region", "view")
    )
    shares = [(label or f"view {part}", weight) for part, label, weight in views.parts] if views else []
    signed = views is not None and views.kind == "signed"
    title = contents.titles.get(item) or f"item {item} (no title)"
    text = shortened(contents.texts.get(item) or "", TEXT)
    spans = [span for span in contents.spans.get(item, []) if span[1] < TEXT]
    best_word = {part: label or "" for part, label, _ in pairs.parts} if pairs else {}
    status, picture = contents.status.get(item, ("missing", "missing"))
    poster = contents.posters.get(item) or Poster(missing=f"no picture ({shortened(picture, LABEL)})")
    weighed = drawing.text_spans(text, spans, words.weights, words.kind) if words else []
    drawn = regions if poster.uri else None
    return ItemCard(
        item=item,
        title=shortened(title, TITLE),
        tooltip=tooltip(title, shortened(title, TITLE)),
        poster=poster,
        text=weighed or ([drawing.TextSpan(text)] if text else []),
        missing="" if text else f"no text ({shortened(status, LABEL)})",
        regions=drawing.region_boxes(contents.boxes[item], drawn.weights, drawn.kind, best_word) if drawn else [],
        words_used=words.faithful if words else None,
        regions_used=drawn.faithful if drawn else None,
        views=[] if signed else shares,
        adds=shares if signed else [],
        adds_used=views.faithful if views and signed else None,
        even=words is not None and words.kind == "share",
    )
