"""An item as the page shows it: its title, text and picture, with what was weighed inside it."""

from collections.abc import Sequence
from dataclasses import dataclass

from stages.explain import drawing
from stages.explain.display_text import LABEL, TEXT, TITLE, shortened, tooltip
from stages.explain.inside import Inside, ItemCard, WeighedRegions, WeighedViews, WeighedWords
from stages.explain.posters import Poster
from stages.explain.weighed import MARKS, Reason, Reasons, Whole

HEAVIEST = 3  # words that are told where all are folded


@dataclass(frozen=True)
class ItemContents:
    """By item: title, text, status of text and picture, spans of words, boxes of regions, poster."""

    titles: dict[int, str | None]
    texts: dict[int, str | None]
    status: dict[int, tuple[str, str]]
    spans: dict[int, list[tuple[int, int]]]
    boxes: dict[int, list[list[float]]]
    posters: dict[int, Poster]

    def title(self, item: int) -> str:
        """The whole title, or the item's number."""
        return self.titles.get(item) or f"item {item} (no title)"

    def text(self, item: int) -> str:
        """The text, as long as it is shown."""
        return shortened(self.texts.get(item) or "", TEXT)


def item_card(contents: ItemContents, item: int, reasons: Reasons, position: int | None = None) -> ItemCard:
    """An item with what was weighed inside it: as the event at `position` of the history, else as the recommended."""
    status, picture = contents.status.get(item, ("missing", "missing"))
    title, text = contents.title(item), contents.text(item)
    poster = contents.posters.get(item) or Poster(missing=f"no picture ({shortened(picture, LABEL)})")
    return ItemCard(
        item=item,
        title=shortened(title, TITLE),
        tooltip=tooltip(title, shortened(title, TITLE)),
        poster=poster,
        text=text,
        missing="" if text else f"no text ({shortened(status, LABEL)})",
        inside=weighed_inside(contents, item, reasons, position, bool(poster.uri)),
    )


def weighed_inside(
    contents: ItemContents, item: int, reasons: Reasons, position: int | None, picture: bool
) -> list[Inside]:
    """What was weighed inside an item by each mark: words where there is a text, regions where there is a picture."""

    def of(over: str, mark: str) -> list[Reason]:
        return [one for one in reasons.get(Whole(over, item, position), []) if one.reading.mark == mark]

    found = []
    for mark in MARKS:
        pairs = {part: label or "" for one in of("word_region", mark) for part, label, _ in one.parts}
        boxes = contents.boxes.get(item, [])
        words = [weighed_words(contents, item, one) for one in of("word", mark)]
        regions = [
            WeighedRegions(one.reading.name, drawing.region_boxes(boxes, one.weights, one.kind, pairs))
            for one in of("region", mark)
            if picture
        ]
        views = [weighed_views([one]) for one in of("view", mark)]
        if words or regions or views:
            found.append(Inside(mark, words, regions, views))
    return found


def weighed_words(contents: ItemContents, item: int, reason: Reason) -> WeighedWords:
    """A text in the shades of its words, and all of its words in figures, the heaviest first."""
    text, spans = contents.text(item), [span for span in contents.spans.get(item, []) if span[1] < TEXT]
    painted = drawing.text_spans(text, spans, reason.weights, reason.kind)
    told = [(span.text, span.weight) for span in painted if span.weight is not None]
    heaviest = sorted(told, key=lambda pair: -abs(pair[1]))
    by_figure: dict[str, list[str]] = {}
    for word, weight in heaviest:
        by_figure.setdefault(f"{round(weight, 3) + 0.0:.3f}", []).append(word)  # + 0: no -0.000
    figures = [(figure, ", ".join(words)) for figure, words in by_figure.items()]
    even = reason.kind == "share"
    return WeighedWords(reason.reading.name, painted, heaviest[:HEAVIEST], figures, len(told), even)


def weighed_views(reasons: Sequence[Reason]) -> WeighedViews:
    """What each view weighs, summed over the reasons of one reading."""
    total: dict[str, float] = {}
    for reason in reasons:
        for part, label, weight in reason.parts:
            name = label or f"view {part}"
            total[name] = total.get(name, 0.0) + weight
    return WeighedViews(reasons[0].reading, list(total.items()), reasons[0].kind == "signed")
