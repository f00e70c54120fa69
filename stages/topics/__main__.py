"""Topics of what people did, window by window."""

import logging
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from engine import store
from engine.params import Record, run
from engine.schema import Table
from engine.tables import CATALOG, SPLIT, TOPIC_HISTORY, TOPIC_ITEMS, TOPIC_WORDS
from stages.topics.documents import Corpus, Vocabulary, acts, corpus, held_out
from stages.topics.online_vb import Fitted, OnlineVB, fit
from stages.topics.quality import coherence, halves, perplexity, top_words, unigram, unigram_perplexity


class Topics(Record):
    """How many topics, of what windows, how fast the past fades (a window), and how they are found."""

    method: Literal["online_vb", "none"]
    count: int
    window: Literal["hour", "day", "week"]
    decay: float
    held_out: float
    top: int
    relevance: float
    vocabulary: Vocabulary
    online_vb: OnlineVB


class Params(Record):
    """What dvc.yaml declares."""

    topics: Topics
    seed: int


def main(params: Params, catalog: Path, events: Path, history: Path, items: Path, words: Path, report: Path) -> None:
    """Find topics in what was done, window by window, and each user's history of them.

    Topics are fitted on documents (the texts of the items that a user acted on in a window) of the training part in
    order of time; later windows and items are read with the topics as they are. A hashed share of the documents is
    kept from fitting, to check the topics against plain word frequencies.
    """
    settings = params.topics
    split = store.read(events, SPLIT)
    timed = bool(split.height) and split["time"].null_count() == 0
    meta = {
        "method": settings.method,
        "count": settings.count if settings.method != "none" else 0,
        "decay": settings.decay,
        "window": settings.window,
        "unit": settings.window if timed else "event",
    }
    if settings.method == "none":
        for path, table in ((history, TOPIC_HISTORY), (items, TOPIC_ITEMS), (words, TOPIC_WORDS)):
            store.write(pl.DataFrame(schema=dict(table.columns)), path, table, meta)
        store.write_json({"topics": 0}, report)
        return
    if not timed and split["time"].null_count() < split.height:
        raise ValueError(f"{events}: {split['time'].null_count()} of {split.height} events have no time")
    told = corpus(store.read(catalog, CATALOG), settings.vocabulary, int(split["item"].max() or 0))  # type: ignore[arg-type]
    done = acts(split, settings.window)
    fitted, plain_V, reading = _fit(told, done.filter(pl.col("part") == "train"), settings, params.seed)
    _write_history(fitted, told, done if timed else done.clear(), history, meta)
    spoken = np.diff(told.word_NV.indptr) > 0
    share_IT = fitted.shares(told.word_NV[spoken], "items")
    store.write(_shares({"item": np.flatnonzero(spoken)}, share_IT, TOPIC_ITEMS), items, TOPIC_ITEMS, meta)
    best_TR = top_words(fitted.word_TV, plain_V, settings.relevance, settings.top)
    store.write(_top(fitted, best_TR, told.words), words, TOPIC_WORDS, meta)
    reading["coherence"] = coherence(best_TR, told.words, told.word_NV[spoken])
    store.write_json(reading, report)


def _fit(
    told: Corpus, train: pl.DataFrame, settings: Topics, seed: int
) -> tuple[Fitted, NDArray[np.float64], dict[str, Any]]:
    """The topics, plain word frequencies [V], and the reading of both on held-out documents."""
    keys, word_DV = told.documents(train)
    kept = held_out(keys, settings.held_out, seed)
    fit_DV, held_DV = word_DV[~kept], word_DV[kept]
    if fit_DV.shape[0] == 0:
        raise ValueError(
            f"topics: {keys.height} documents with words in the training part, {kept.sum()} of them held out: "
            "none to fit; lower topics.held_out or topics.vocabulary.minimum_items"
        )
    fitted = fit(fit_DV, told.words, settings.count, settings.online_vb, seed)
    reading: dict[str, Any] = {
        "topics": settings.count,
        "vocabulary": len(told.words),
        "documents": int(fit_DV.shape[0]),
        "tokens": int(fit_DV.sum()),
        "held_out_documents": int(held_DV.shape[0]),
        "held_out_tokens": int(held_DV.sum()),
    }
    plain_V = unigram(fit_DV, settings.online_vb.word_prior)
    return fitted, plain_V, reading | _checked(fitted, plain_V, held_DV, seed)


def _checked(fitted: Fitted, plain_V: NDArray[np.float64], held_DV: csr_matrix, seed: int) -> dict[str, float]:
    """Perplexity of half of the words of held-out documents given the other half, beside the unigram's."""
    read_DV, score_DV = halves(held_DV, seed)
    if score_DV.sum() == 0:
        logging.warning("topics: no words held out, so the topics are NOT CHECKED; raise topics.held_out")
        return {}
    found = perplexity(fitted, read_DV, score_DV)
    plain = unigram_perplexity(plain_V, score_DV)
    logging.info("topics: held-out perplexity %.0f, plain word frequencies %.0f", found, plain)
    if not found < plain:
        logging.warning(
            "topics: held-out perplexity %.0f is NOT LOWER than that of plain word frequencies, %.0f: these topics say "
            "nothing; try fewer (topics.count), smaller steps (topics.online_vb.chunk) or more passes",
            found,
            plain,
        )
    return {"perplexity": found, "unigram_perplexity": plain}


def _write_history(fitted: Fitted, told: Corpus, done: pl.DataFrame, path: Path, meta: dict[str, Any]) -> None:
    keys, word_DV = told.documents(done)
    share_DT = fitted.shares(word_DV, "histories")
    frame = _shares({"user": keys["user"], "window": keys["window"]}, share_DT, TOPIC_HISTORY)
    store.write(frame.sort("user", "window"), path, TOPIC_HISTORY, meta)


def _shares(keys: dict[str, Any], share_DT: NDArray[np.float32], table: Table) -> pl.DataFrame:
    width = pl.Array(pl.Float32, share_DT.shape[1])
    return pl.DataFrame({**keys, "share": share_DT}, schema={**table.columns, "share": width})


def _top(fitted: Fitted, best_TR: NDArray[np.intp], words: list[str]) -> pl.DataFrame:
    """The words of each topic and their weights in it, topics and ranks from 1."""
    topics, ranks = best_TR.shape
    columns = {
        "topic": np.repeat(np.arange(1, topics + 1), ranks),
        "rank": np.tile(np.arange(1, ranks + 1), topics),
        "word": [words[v] for v in best_TR.ravel()],
        "weight": np.take_along_axis(fitted.word_TV, best_TR, axis=1).ravel(),
    }
    return pl.DataFrame(columns, schema=dict(TOPIC_WORDS.columns))


if __name__ == "__main__":
    run(main)
