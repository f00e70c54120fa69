"""What the reasons of recommendations are called: titles, words that are worth naming, topics, categories, regions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl
import torch
from torch import Tensor

from engine.evaluation.cause import Causes, Nameable
from engine.evaluation.sentence import of_audience, of_category, of_topic, part_of_picture, sentence
from engine.tables import store
from engine.tables.domain_words import DomainWords
from engine.tables.layout import Layout
from engine.tables.schemas import ITEMS, REGIONS, TOPIC_WORDS, WORDS
from engine.training.needs import Needs

COMMON = 0.1  # a word in the texts of more items than this share says little of any
FEW_WORDS = 3  # of a topic
WIDEST = 0.5  # a category of more items than this share says little of any


@dataclass(frozen=True)
class Wording:
    """title_N of each item (its raw id where it has none), the words by number (0: none), and the number of each word
    of the catalog's flat table: term_X, 0 for one that is not worth naming; None where the model reads no words.
    `categories` by number, and category_N of each item (0: none; None: no item has one that is worth naming); `topics`
    by number, from 1; `boxes` [M][4] of an item's picture, by the item. `called`: what things are called.
    """

    title_N: list[str]
    words: list[str]
    term_X: Tensor | None
    called: DomainWords = field(default_factory=DomainWords)
    categories: list[str] = field(default_factory=list)
    category_N: Tensor | None = None
    topics: Mapping[int, str] = field(default_factory=dict)
    boxes: Mapping[int, list[list[float]]] = field(default_factory=dict)

    @staticmethod
    def of(layout: Layout, needs: Needs, called: DomainWords, device: str = "cpu") -> "Wording":
        """From the tables of the items, and of what the model reads of their texts and pictures."""
        items = store.read(layout.items, ITEMS, ["item", "raw", "title", "categories"])
        titles = items.select(pl.coalesce("title", "raw"))["title"].to_list()
        categories, number_N = categories_of(items)
        category_N = torch.from_numpy(number_N).to(device) if len(categories) > 1 else None
        topics = topics_of(store.read(layout.topic_words, TOPIC_WORDS)) if needs.topics else {}
        boxes = Boxes(store.read(layout.regions, REGIONS, ["item", "box"])) if "regions" in needs.views else {}
        words, term_X = [""], None
        if "words" in needs.views:
            words, numbers = terms(store.read(layout.words, WORDS, ["item", "token"]))
            term_X = torch.from_numpy(numbers).to(device)
        return Wording(["", *titles], words, term_X, called, categories, category_N, topics, boxes)

    @cached_property
    def nameable(self) -> Nameable:
        """What there are names for."""
        return Nameable(self.term_X, self.category_N, bool(self.topics), bool(self.boxes))

    def sentences(self, causes: Causes, item_BL: Tensor, item_B: Tensor) -> list[str | None]:
        """One a row, of items item_B after the acts item_BL; None where there is nothing to name."""
        found = enumerate(item_B.tolist())
        return [self._wide(causes, row, item) or self._act(causes, row, item_BL) for row, item in found]

    def _wide(self, causes: Causes, row: int, item: int) -> str | None:
        topic, alike = int(causes.wide.topic_B[row]), int(causes.wide.alike_B[row])
        if topic:
            return of_topic(self.topics[topic])
        if alike and self.category_N is not None:
            return of_category(self.categories[int(self.category_N[item])], alike, self.called)
        return of_audience(self.called) if bool(causes.wide.audience_B[row]) else None

    def _act(self, causes: Causes, row: int, item_BL: Tensor) -> str | None:
        place, region = int(causes.place_B[row]), int(causes.region_B[row])
        if place < 0:
            return None
        item = int(item_BL[row, place])
        terms, acts = causes.term_BW[row].tolist(), causes.acts_BW[row].tolist()
        return sentence(
            self.title_N[item],
            [(self.words[term], count) for term, count in zip(terms, acts, strict=True) if term],
            bool(causes.picture_B[row]),
            bool(causes.text_B[row]),
            self.called,
            part_of_picture(self.boxes[item][region]) if region >= 0 else "",
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


def terms(frame: pl.DataFrame) -> tuple[list[str], np.ndarray]:
    """Words by number, in lower case, and the number of each token of the table, in its order.

    0 for what is not worth naming: no letters, under three of ASCII's, or in the texts of over a tenth of the items.
    """
    flat = frame.select("item", pl.col("token").list.eval(pl.element().str.to_lowercase()))
    flat = flat.filter(pl.col("token").list.len() > 0).explode("token")
    many = frame.filter(pl.col("token").list.len() > 0).height * COMMON
    kept = (
        flat.unique()
        .group_by("token")
        .len()
        .filter((pl.col("len") <= max(many, 1)) & pl.col("token").str.contains(r"^(?:[^\x00-\x7f]|[a-z]{3})"))
        .filter(pl.col("token").str.contains(r"^[\p{L}\p{M}'’-]+$"))
        .sort("token")
        .with_row_index("term", offset=1)
    )
    joined = flat.join(kept, on="token", how="left", maintain_order="left")
    return ["", *kept["token"].to_list()], joined["term"].fill_null(0).to_numpy().astype(np.int64)
