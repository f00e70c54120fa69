"""What the weighed parts are called: titles, words, topics, views."""

from dataclasses import dataclass

import polars as pl

from engine.tables.schemas import REASONS

VIEWS = {1: "picture", 2: "text", 3: "row"}  # the order in which models weigh views


@dataclass(frozen=True)
class Labels:
    """What parts are called: item → title; (item, word number) → word; topic number → its first words."""

    titles: pl.DataFrame
    words: pl.DataFrame
    topics: dict[int, str]


def word_labels(frame: pl.DataFrame) -> pl.DataFrame:
    """A words table (item, token) as one row a word: about, part (from 1), label."""
    numbered = frame.select(
        pl.col("item").alias("about"),
        pl.int_ranges(1, pl.col("token").list.len().cast(pl.Int64) + 1, dtype=pl.UInt32).alias("part"),
        pl.col("token").alias("label"),
    )
    return numbered.filter(pl.col("part").list.len() > 0).explode("part", "label")


def with_labels(table: pl.DataFrame, labels: Labels) -> pl.DataFrame:
    """The rows with their labels: titles, words, topics' first words, views; a region has none."""
    word = labels.words.rename({"label": "word"})
    title = labels.titles.select(pl.col("item").alias("part"), pl.col("title"))
    topic, view = _label_column(labels.topics, "topic"), _label_column(VIEWS, "view")
    # a region's best word comes as `word_of`, its number in the item's text
    joined = (
        table.join(title, on="part", how="left", maintain_order="left")
        .join(topic, on="part", how="left", maintain_order="left")
        .join(view, on="part", how="left", maintain_order="left")
        .with_columns(pl.when(pl.col("over") == "word_region").then("word_of").otherwise("part").alias("at"))
        .join(word, left_on=["about", "at"], right_on=["about", "part"], how="left", maintain_order="left")
    )
    over = pl.col("over")
    label = (
        pl.when(over.is_in(["history", "gate"])).then("title")
        .when(over == "topic").then("topic")
        .when(over == "view").then("view")
        .when(over.is_in(["word", "word_region"])).then("word")
    )  # fmt: skip
    return joined.with_columns(label.alias("label")).select(list(REASONS.columns))


def _label_column(names: dict[int, str], column: str) -> pl.DataFrame:
    return pl.DataFrame(
        {"part": list(names), column: list(names.values())}, schema={"part": pl.UInt32, column: pl.String}
    )
