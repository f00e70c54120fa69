"""What is known of the items, and what was weighed inside one of them."""

from dataclasses import dataclass

import polars as pl

from stages.explain import drawing
from stages.explain.page import Film
from stages.explain.posters import Poster


@dataclass(frozen=True)
class Reason:
    """The weights of the parts of one whole: number (or item) to weight, and to label."""

    kind: str
    faithful: bool
    parts: list[tuple[int, str | None, float]]

    @property
    def weights(self) -> dict[int, float]:
        """By the part's number."""
        return {part: weight for part, _, weight in self.parts}


@dataclass(frozen=True)
class Book:
    """What is known of the items: title, text, what is missing of them, words' spans, regions' boxes, posters."""

    titles: dict[int, str | None]
    texts: dict[int, str | None]
    status: dict[int, tuple[str, str]]
    spans: dict[int, list[tuple[int, int]]]
    boxes: dict[int, list[list[float]]]
    posters: dict[int, Poster]


Reasons = dict[tuple[int, str, int], Reason]


def grouped(reasons: pl.DataFrame) -> dict[tuple[int, str, int], Reason]:
    """One person's REASONS rows by rank, over and about, the first of each that the model gives; parts in order."""
    found: dict[tuple[int, str, int], Reason] = {}
    for (rank, over, about, kind, faithful), rows in reasons.group_by(
        "rank", "over", "about", "kind", "faithful", maintain_order=True
    ):
        parts = list(rows.select("part", "label", "weight").iter_rows())
        found.setdefault((int(rank), str(over), int(about)), Reason(str(kind), bool(faithful), parts))
    return found


def film(book: Book, item: int, of: dict[tuple[int, str, int], Reason]) -> Film:
    """An item with what was weighed inside it for the first recommendation."""
    words, seen = of.get((1, "word", item)), of.get((1, "region", item))
    pairs, views = of.get((1, "word_region", item)), of.get((1, "view", item))
    parts = [(label or f"view {part}", weight) for part, label, weight in views.parts] if views else []
    signed = views is not None and views.kind == "signed"
    text, spans = book.texts.get(item) or "", book.spans.get(item, [])
    said = {part: label or "" for part, label, _ in pairs.parts} if pairs else {}
    status, picture = book.status.get(item, ("missing", "missing"))
    poster = book.posters.get(item) or Poster(missing=f"no picture ({picture})")
    return Film(
        item=item,
        title=book.titles.get(item) or f"item {item} (no title)",
        poster=poster,
        runs=drawing.runs(text, spans, words.weights, words.kind) if words else [drawing.Run(text)] if text else [],
        missing="" if text else f"no text ({status})",
        regions=drawing.regions(book.boxes[item], seen.weights, seen.kind, said) if seen and poster.uri else [],
        words_used=words.faithful if words else None,
        regions_used=seen.faithful if seen and poster.uri else None,
        views=[] if signed else parts,
        adds=parts if signed else [],
        adds_used=views.faithful if views and signed else None,
        even=words is not None and words.kind == "share",
    )
