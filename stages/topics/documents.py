"""Words of items, and documents: the words of what a user did in one window of time."""

import re
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import polars as pl
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import CountVectorizer

from engine.tables.settings import Record
from engine.tables.topic_windows import windows


class Vocabulary(Record):
    """Which words count: letters at least, items that have it at least, share of items that have it at most."""

    minimum_letters: int
    minimum_items: int
    maximum_share: float


@dataclass(frozen=True)
class Corpus:
    """Word counts of items, row i being item i (row 0 empty), and the words of the columns."""

    word_NV: csr_matrix
    words: list[str]

    def documents(self, acts: pl.DataFrame) -> tuple[pl.DataFrame, csr_matrix]:
        """One document a (user, window) that has a word: its key, and its counts.

        Args:
            acts: user, item, window.

        Returns:
            user, window in order of window, then user; counts [documents, words].
        """
        keys = acts.select("user", "window").unique().sort("window", "user").with_row_index("row")
        found = acts.join(keys, on=["user", "window"], how="left", nulls_equal=True)
        row, item = found["row"].to_numpy(), found["item"].to_numpy()
        shape = (keys.height, self.word_NV.shape[0])
        act_DN = csr_matrix((np.ones(len(row), np.float32), (row, item)), shape=shape)
        word_DV = csr_matrix(act_DN @ self.word_NV)
        spoken = np.diff(word_DV.indptr) > 0
        return keys.drop("row").filter(pl.Series(spoken)), word_DV[spoken]


def corpus(catalog: pl.DataFrame, settings: Vocabulary, items: int) -> Corpus:
    """Count the words of the catalog's texts: lower-cased, letters alone, English stop words left out.

    Raises:
        ValueError: an item that stands twice, or no word left.
    """
    twice = catalog.filter(pl.col("item").is_duplicated())["item"].to_list()
    if twice:
        raise ValueError(f"catalog: item {twice[0]} stands {twice.count(twice[0])} times; an item has one row")
    pattern = re.compile(rf"[^\W\d_]{{{settings.minimum_letters},}}")
    counter = CountVectorizer(
        tokenizer=pattern.findall,
        token_pattern=None,
        stop_words="english",
        min_df=settings.minimum_items,
        max_df=float(settings.maximum_share),
        dtype=np.float32,
    )
    told = catalog.filter(pl.col("text").fill_null("").str.strip_chars() != "")
    try:
        word_IV = counter.fit_transform(told["text"].to_list()).tocoo()
    except ValueError as error:
        raise ValueError(
            f"topics: no words in {told.height} texts of {catalog.height} items ({error}); "
            "lower topics.vocabulary.minimum_items, or set topics.method to none"
        ) from None
    item = told["item"].to_numpy()[word_IV.row]
    rows = 1 + max(items, int(item.max(initial=0)))
    word_NV = csr_matrix((word_IV.data, (item, word_IV.col)), shape=(rows, word_IV.shape[1]))
    return Corpus(word_NV, counter.get_feature_names_out().tolist())


def acts(events: pl.DataFrame, window: str) -> pl.DataFrame:
    """user, item, part and the window's start; null throughout where the events have no times."""
    return events.select("user", "item", "part", windows(pl.col("time"), window).alias("window"))


def held_out(keys: pl.DataFrame, share: float, seed: int) -> np.ndarray:
    """Which documents [D] are kept from fitting: by a hash of each one's own key, so that others do not move it."""
    draws = [
        int.from_bytes(blake2b(f"{seed} {user} {window}".encode(), digest_size=8).digest()) / 2**64
        for user, window in keys.rows()
    ]
    return np.array(draws) < share
