"""What the tables call things that reasons name: items, words of texts, topics, categories, regions of pictures."""

from collections.abc import Collection, Iterator, Mapping

import numpy as np
import polars as pl

from engine.tables import store
from engine.tables.layout import Layout
from engine.tables.names import Names
from engine.tables.schemas import ITEMS, REGIONS, TOPIC_WORDS, WORDS
from engine.tables.terms import terms

FEW_WORDS = 3  # of a topic
WIDEST = 0.5  # a category of more items than this share says little of any


def naming(layout: Layout, views: Collection[str], topics: bool) -> Names:
    """From the tables of the items, and of what a model reads: views of them, and people's `topics`."""
    items = store.read(layout.items, ITEMS, ["item", "raw", "title", "categories"])
    categories, category_N = categories_of(items)
    words, term_X = terms(store.read(layout.words, WORDS, ["item", "token"])) if "words" in views else ([""], None)
    return Names(
        title_N=["", *items.select(pl.coalesce("title", "raw"))["title"].to_list()],
        words=words,
        term_X=term_X,
        categories=categories,
        category_N=category_N if len(categories) > 1 else None,
        topics=topics_of(store.read(layout.topic_words, TOPIC_WORDS)) if topics or "topics" in views else {},
        boxes=Boxes(store.read(layout.regions, REGIONS, ["item", "box"])) if "regions" in views else {},
    )


class Boxes(Mapping[int, list[list[float]]]):
    """The boxes of an item's regions, looked up in the table."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._row = {item: row for row, item in enumerate(frame["item"].to_list())}
        self._box = frame["box"]

    def __getitem__(self, item: int) -> list[list[float]]:
        found: list[list[float]] = self._box[self._row[item]].to_list()
        return found

    def __iter__(self) -> Iterator[int]:
        return iter(self._row)

    def __len__(self) -> int:
        return len(self._row)


def categories_of(items: pl.DataFrame) -> tuple[list[str], np.ndarray]:
    """Names by number, and the number of each item's: the end of its first path; 0 where it has none, or more than half
    of the items are of it. The first number is padding's.
    """
    name = items.select(pl.col("categories").list.first().list.last().alias("name"))
    kept = name.drop_nulls().group_by("name").len().filter(pl.col("len") <= items.height * WIDEST).sort("name")
    numbered = kept.with_row_index("number", offset=1)
    joined = name.join(numbered, on="name", how="left", maintain_order="left")["number"].fill_null(0)
    return ["", *kept["name"].to_list()], np.concatenate([[0], joined.to_numpy()]).astype(np.int64)


def topics_of(words: pl.DataFrame) -> dict[int, str]:
    """The first words of each topic, by its number."""
    first = words.filter(pl.col("rank") <= FEW_WORDS).sort("topic", "rank").group_by("topic", maintain_order=True)
    return dict(first.agg(pl.col("word").str.join(", ")).iter_rows())
