"""The tables that name and show things: people, titles, texts, words, boxes, topics, pictures, known causes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from engine.tables import store
from engine.tables.domain_words import DomainWords
from engine.tables.layout import Layout
from engine.tables.schemas import CATALOG, ITEMS, REGIONS, SPLIT, TOPIC_HISTORY, TOPIC_WORDS, TRUTH, USERS, WORDS
from engine.tables.topic_windows import labels as topic_labels
from stages.explain.display_text import LABEL, shortened
from stages.explain.explained_cases import ExplainedCase
from stages.explain.item_cards import ItemContents
from stages.explain.labels import Labels, word_labels
from stages.explain.person import PageTables
from stages.explain.posters import posters


def titles(layout: Layout) -> pl.DataFrame:
    """Each item's title, of the data or else of the catalog: item, title."""
    items, catalog = store.read(layout.items, ITEMS), store.read(layout.catalog, CATALOG)
    both = items.select("item", "title").join(catalog.select("item", other="title"), on="item", how="left")
    return both.select("item", pl.coalesce("title", "other").alias("title"))


@dataclass(frozen=True)
class DisplayTables:
    """The tables as read; `trends` are topic shares by user and window, `window` is how long one is."""

    names: dict[int, str]
    catalog: pl.DataFrame
    titles: pl.DataFrame
    words: pl.DataFrame
    regions: pl.DataFrame
    topics: dict[int, str]
    topic_words: pl.DataFrame
    trends: pl.DataFrame
    window: str
    truth: pl.DataFrame
    events: pl.DataFrame

    @staticmethod
    def read(layout: Layout) -> "DisplayTables":
        """The tables under a layout."""
        truth = store.read(layout.truth, TRUTH)
        if not store.meta(layout.split).get("in_order", True):  # the truth goes by an event's place in time
            truth = truth.clear()
        topic_words = store.read(layout.topic_words, TOPIC_WORDS)
        return DisplayTables(
            names=dict(store.read(layout.users, USERS).iter_rows()),
            catalog=store.read(layout.catalog, CATALOG),
            titles=titles(layout),
            words=store.read(layout.words, WORDS, ["item", "token", "span"]),
            regions=store.read(layout.regions, REGIONS, ["item", "box"]),
            topics={t: shortened(words, LABEL) for t, words in topic_labels(topic_words, 4).items()},
            topic_words=topic_words,
            trends=store.read(layout.topic_history, TOPIC_HISTORY),
            window=str(store.meta(layout.topic_history)["window"]),
            truth=truth,
            events=store.read(layout.split, SPLIT),
        )

    def labels(self) -> Labels:
        """Titles, words and topics, as the table of reasons names them: at most so long."""
        words = word_labels(self.words).with_columns(pl.col("label").str.head(LABEL))
        return Labels(self.titles.with_columns(pl.col("title").str.head(LABEL)), words, self.topics)

    def of_people(self, images: Path, cases: Sequence[ExplainedCase], width: int, words: DomainWords) -> PageTables:
        """What the page shows of the people of some cases, with the pictures of their items, `width` pixels wide."""
        rows = [(case.user, case.position) for case in cases]
        until = pl.DataFrame(rows, {"user": pl.UInt32, "until": pl.UInt32}, orient="row")
        past = self.events.join(until, on="user").filter(pl.col("position") <= pl.col("until"))
        items = {*past["item"].to_list(), *(case.target for case in cases)}
        items |= {item for case in cases for item, _ in case.recommended}

        def by_item(frame: pl.DataFrame, *columns: str) -> dict[int, Any]:
            rows = frame.filter(pl.col("item").is_in(list(items))).select("item", *columns).iter_rows()
            return {row[0]: row[1] if len(columns) == 1 else row[1:] for row in rows}

        contents = ItemContents(
            titles=by_item(self.titles, "title"),
            texts=by_item(self.catalog, "text"),
            status=by_item(self.catalog, "status", "picture"),
            spans=by_item(self.words, "span"),
            boxes=by_item(self.regions, "box"),
            posters=posters(images, items, width),
        )
        about = (self.names, self.topics, self.trends, self.window, self.truth, words)
        return PageTables(contents, self.events, *about)
