"""Topics of what people did, window by window."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from engine.tables import files, store
from engine.tables.command import run
from engine.tables.layout import Layout
from engine.tables.schema import Table
from engine.tables.schemas import CATALOG, SPLIT, TOPIC_HISTORY, TOPIC_ITEMS, TOPIC_SNAPSHOTS, TOPIC_WORDS
from engine.tables.settings import Record, Seed
from stages.topics.documents import Corpus, NoTopics, count_words, events_by_window
from stages.topics.fitting import fit_and_check
from stages.topics.quality import TopicModel, coherence
from stages.topics.settings import Topics
from stages.topics.window_quality import COLUMNS


class Params(Record):
    """What dvc.yaml declares."""

    topics: Topics
    seed: Seed = Field(description="of the topics' start, and of what is held out")


def main(params: Params, layout: Layout) -> None:
    """Find topics in what was done, window by window, and each user's history of them.

    Topics are fitted on documents (the texts of the items that a user acted on in a window) of the training part in
    order of time; later windows and items are read with the topics as they are. A hashed share of the documents is
    kept from fitting, to check the topics against plain word frequencies.
    """
    settings = params.topics
    split = store.read(layout.split, SPLIT)
    timed = bool(split.height) and split["time"].null_count() == 0
    meta = _meta(settings, timed)
    if settings.method == "none":
        return _skip(layout, meta)
    if not timed and split["time"].null_count() < split.height:
        raise ValueError(f"{layout.split}: {split['time'].null_count()} of {split.height} events have no time")
    try:
        return _write(settings, params.seed, layout, split, meta)
    except NoTopics as error:
        logging.warning("topics: none were made: %s. A model that needs them is refused", error)
        return _skip(layout, meta | {"count": 0, "why": str(error)})


def _write(settings: Topics, seed: int, layout: Layout, split: pl.DataFrame, meta: dict[str, Any]) -> None:
    corpus = count_words(store.read(layout.catalog, CATALOG), settings.vocabulary, int(split["item"].max() or 0))  # type: ignore[arg-type]
    events = events_by_window(split, settings.window)
    result = fit_and_check(corpus, events.filter(pl.col("part") == "train"), settings, seed)
    _write_history(result.model, corpus, events.filter(pl.col("window").is_not_null()), layout.topic_history, meta)
    spoken = np.diff(corpus.word_NV.indptr) > 0
    share_IT = result.model.shares(corpus.word_NV[spoken], "items")
    store.write(_shares({"item": np.flatnonzero(spoken)}, share_IT, TOPIC_ITEMS), layout.topic_items, TOPIC_ITEMS, meta)
    store.write(_top(result.model, result.best_TR, corpus.words), layout.topic_words, TOPIC_WORDS, meta)
    store.write(result.snapshots, layout.topic_snapshots, TOPIC_SNAPSHOTS, meta)
    files.write_text(result.windows.write_csv(), layout.plot("topics"))
    reading = result.reading | {"coherence": coherence(result.best_TR, corpus.words, corpus.word_NV[spoken])}
    return files.write_json(reading, layout.metric("topics"))


def _meta(settings: Topics, timed: bool) -> dict[str, Any]:
    """What the profiles read of how the tables were made."""
    count = settings.count if settings.method != "none" else 0
    about = {"method": settings.method, "count": count, "decay": settings.decay, "window": settings.window}
    return about | {"unit": settings.window if timed else "event"}


def _skip(layout: Layout, meta: dict[str, Any]) -> None:
    """Empty tables, so that a model that needs no topics goes on."""
    tables = {
        layout.topic_history: TOPIC_HISTORY,
        layout.topic_items: TOPIC_ITEMS,
        layout.topic_words: TOPIC_WORDS,
        layout.topic_snapshots: TOPIC_SNAPSHOTS,
    }
    for path, table in tables.items():
        store.write(pl.DataFrame(schema=dict(table.columns)), path, table, meta)
    files.write_text(pl.DataFrame(schema=COLUMNS).write_csv(), layout.plot("topics"))
    files.write_json({"topics": 0}, layout.metric("topics"))


def _write_history(model: TopicModel, corpus: Corpus, events: pl.DataFrame, path: Path, meta: dict[str, Any]) -> None:
    keys, word_DV = corpus.documents(events)
    share_DT = model.shares(word_DV, "histories")
    frame = _shares({"user": keys["user"], "window": keys["window"]}, share_DT, TOPIC_HISTORY)
    store.write(frame.sort("user", "window"), path, TOPIC_HISTORY, meta)


def _shares(keys: dict[str, Any], share_DT: NDArray[np.float32], table: Table) -> pl.DataFrame:
    width = pl.Array(pl.Float32, share_DT.shape[1])
    return pl.DataFrame({**keys, "share": share_DT}, schema={**table.columns, "share": width})


def _top(model: TopicModel, best_TR: NDArray[np.intp], words: list[str]) -> pl.DataFrame:
    """The words of each topic and their weights in it, topics and ranks from 1."""
    topics, ranks = best_TR.shape
    columns = {
        "topic": np.repeat(np.arange(1, topics + 1), ranks),
        "rank": np.tile(np.arange(1, ranks + 1), topics),
        "word": [words[v] for v in best_TR.ravel()],
        "weight": np.take_along_axis(model.word_TV, best_TR, axis=1).ravel(),
    }
    return pl.DataFrame(columns, schema=dict(TOPIC_WORDS.columns))


if __name__ == "__main__":
    run(main)
