"""An item as the page shows it: its title, text and picture, with what was weighed inside it."""

from dataclasses import dataclass

import polars as pl

from stages.explain import drawing
from stages.explain.page import ItemCard
from stages.explain.posters import Poster


@dataclass(frozen=True)
class Reason:
    """Weights over the parts of one whole, in order: number (or item), label, weight."""

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


Reasons = dict[tuple[int, str, int], Reason]  # by rank, over, about


def group_reasons(rows: pl.DataFrame) -> Reasons:
    """One person's REASONS rows by rank, over and about, the first of each that the model gives; parts in order."""
    found: Reasons = {}
    for (rank, over, about, kind, faithful), parts in rows.group_by(
        "rank", "over", "about", "kind", "faithful", maintain_order=True
    ):
        weighed = list(parts.select("part", "label", "weight").iter_rows())
        found.setdefault((int(rank), str(over), int(about)), Reason(str(kind), bool(faithful), weighed))
    return found


def item_card(contents: ItemContents, item: int, reasons: Reasons) -> ItemCard:
    """An item with what was weighed inside it for the first recommendation."""
    words, regions = reasons.get((1, "word", item)), reasons.get((1, "region", item))
    pairs, views = reasons.get((1, "word_region", item)), reasons.get((1, "view", item))
    shares = [(label or f"view {part}", weight) for part, label, weight in views.parts] if views else []
    signed = views is not None and views.kind == "signed"
    text, spans = contents.texts.get(item) or "", contents.spans.get(item, [])
    best_word = {part: label or "" for part, label, _ in pairs.parts} if pairs else {}
    status, picture = contents.status.get(item, ("missing", "missing"))
    poster = contents.posters.get(item) or Poster(missing=f"no picture ({picture})")
    weighed = drawing.text_spans(text, spans, words.weights, words.kind) if words else []
    drawn = regions if poster.uri else None
    return ItemCard(
        item=item,
        title=contents.titles.get(item) or f"item {item} (no title)",
        poster=poster,
        text=weighed or ([drawing.TextSpan(text)] if text else []),
        missing="" if text else f"no text ({status})",
        regions=drawing.region_boxes(contents.boxes[item], drawn.weights, drawn.kind, best_word) if drawn else [],
        words_used=words.faithful if words else None,
        regions_used=drawn.faithful if drawn else None,
        views=[] if signed else shares,
        adds=shares if signed else [],
        adds_used=views.faithful if views and signed else None,
        even=words is not None and words.kind == "share",
    )
