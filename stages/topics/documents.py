"""Words of items, and documents: the words of what a user did in one window of time."""

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import polars as pl
from pydantic import Field
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import CountVectorizer

from engine.tables.letters import folded
from engine.tables.settings import Record
from engine.tables.topic_windows import windows
from stages.topics.words import tokenizer


class NoTopics(ValueError):
    """These texts, or what was done in training, give no topics; the message says why."""


class Vocabulary(Record):
    """Which words count."""

    minimum_letters: int = Field(
        3,
        ge=1,
        description="letters of a word at least; Chinese, Japanese and Thai give pairs of letters",
    )
    minimum_items: int = Field(5, ge=1, description="items at least whose texts have the word")
    maximum_share: float = Field(0.2, gt=0, le=1, description="share of the texts at most that have the word")


@dataclass(frozen=True)
class Corpus:
    """Word counts of items, row i being item i (row 0 empty), and the words of the columns."""

    word_NV: csr_matrix
    words: list[str]

    def documents(self, events: pl.DataFrame) -> tuple[pl.DataFrame, csr_matrix]:
        """One document a (user, window) that has a word: its key, and its counts.

        Args:
            events: user, item, window.

        Returns:
            user, window in order of window, then user; counts [documents, words].
        """
        keys = events.select("user", "window").unique().sort("window", "user").with_row_index("row")
        found = events.join(keys, on=["user", "window"], how="left", nulls_equal=True)
        row, item = found["row"].to_numpy(), found["item"].to_numpy()
        shape = (keys.height, self.word_NV.shape[0])
        act_DN = csr_matrix((np.ones(len(row), np.float32), (row, item)), shape=shape)
        word_DV = csr_matrix(act_DN @ self.word_NV)
        spoken = np.diff(word_DV.indptr) > 0
        return keys.drop("row").filter(pl.Series(spoken)), word_DV[spoken]


def count_words(catalog: pl.DataFrame, settings: Vocabulary, items: int) -> Corpus:
    """Count the words of the catalog's texts: folded to one spelling, letters alone, English stop words left out.

    Raises:
        ValueError: an item that stands twice.
        NoTopics: fewer than two words left; names the setting that took them.
    """
    twice = catalog.filter(pl.col("item").is_duplicated())["item"].to_list()
    if twice:
        raise ValueError(f"catalog: item {twice[0]} stands {twice.count(twice[0])} times; an item has one row")
    spoken = catalog.filter(pl.col("text").fill_null("").str.strip_chars() != "")
    texts = spoken["text"].to_list()
    counter = _counter(settings.minimum_letters, settings.minimum_items, float(settings.maximum_share))
    try:
        word_IV = counter.fit_transform(texts).tocoo()
    except ValueError:
        why = _emptied(texts, settings)
        raise NoTopics(f"no words in {len(texts)} texts of {catalog.height} items: {why}") from None
    words = counter.get_feature_names_out().tolist()
    if len(words) < 2:
        raise NoTopics(f"{words[0]!r} is the one word in {len(texts)} texts: it tells no two of them apart")
    item = spoken["item"].to_numpy()[word_IV.row]
    rows = 1 + max(items, int(item.max(initial=0)))
    word_NV = csr_matrix((word_IV.data, (item, word_IV.col)), shape=(rows, len(words)))
    return Corpus(word_NV, words)


def _counter(letters: int, items: int, share: float) -> CountVectorizer:
    return CountVectorizer(
        preprocessor=folded,
        tokenizer=tokenizer(letters),
        token_pattern=None,
        stop_words="english",
        min_df=items,
        max_df=share,
        dtype=np.float32,
    )


def _emptied(texts: list[str], settings: Vocabulary) -> str:
    """Which settings leave no word of these texts."""
    if not texts:
        return "no item has a text"
    where = "contents.<content>.topics.vocabulary"
    try:
        counts = _counter(settings.minimum_letters, 1, 1.0).fit_transform(texts)
    except ValueError:
        return f"they have no word of {settings.minimum_letters} letters; {where}.minimum_letters can be lower"
    texts_V = np.asarray((counts > 0).sum(axis=0)).ravel()
    rare = int((texts_V < settings.minimum_items).sum())
    frequent = int((texts_V > settings.maximum_share * len(texts)).sum())
    causes = {
        f"{rare} of {len(texts_V)} words stand in fewer than {settings.minimum_items} texts "
        f"({where}.minimum_items can be lower)": rare,
        f"{frequent} of {len(texts_V)} words stand in more than {settings.maximum_share:.0%} of the texts "
        f"({where}.maximum_share can be higher)": frequent,
    }
    return ", ".join(cause for cause, count in causes.items() if count)


def events_by_window(events: pl.DataFrame, window: str) -> pl.DataFrame:
    """user, item, part and the window's start; null throughout where the events have no times."""
    return events.select("user", "item", "part", windows(pl.col("time"), window).alias("window"))


def held_out(keys: pl.DataFrame, share: float, seed: int) -> np.ndarray:
    """Which documents [D] are kept from fitting: by a hash of each one's own key, so that others do not move it."""
    draws = [
        int.from_bytes(blake2b(f"{seed} {user} {window}".encode(), digest_size=8).digest()) / 2**64
        for user, window in keys.rows()
    ]
    return np.array(draws) < share
