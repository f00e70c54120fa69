"""Topics fitted by the chosen method, and the reading of them on documents kept from fitting."""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from stages.topics import gibbs, online_vb
from stages.topics.documents import Corpus, NoTopics, held_out
from stages.topics.quality import TopicModel, document_nats, split_words, top_words, unigram, unigram_nats
from stages.topics.settings import Topics
from stages.topics.snapshots import Snapshots
from stages.topics.window_quality import COLUMNS, coherence_by_window, perplexity_by_window

ADVICE = {
    "online_vb": "smaller steps (topics.online_vb.chunk) or more passes",
    "gibbs": "a larger prior of words (topics.gibbs.word_prior), larger mini-batches (topics.gibbs.batch), more "
    "sweeps (topics.gibbs.iterations) or less forgetting",
}


@dataclass(frozen=True)
class TopicResult:
    """Topics, their best words [T, R], what was read of them, overall and by window, and how they came about."""

    model: TopicModel
    best_TR: NDArray[np.intp]
    reading: dict[str, Any]
    windows: pl.DataFrame
    snapshots: pl.DataFrame


def fit_and_check(corpus: Corpus, train: pl.DataFrame, settings: Topics, seed: int) -> TopicResult:
    """Fit topics to the documents of `train` (user, item, window) but for those held out, and read them on these."""
    keys, word_DV = corpus.documents(train)
    kept = held_out(keys, settings.held_out, seed)
    fit_DV, held_DV = word_DV[~kept], word_DV[kept]
    if not keys.height:
        raise NoTopics("no event of the training part is of an item with words")
    if fit_DV.shape[0] == 0:
        raise ValueError(
            f"topics: {keys.height} documents with words in the training part, all of them held out: "
            "none to fit; lower topics.held_out"
        )
    window = keys.filter(pl.Series(~kept))["window"]
    snapshots = Snapshots(window, corpus.words, settings.snapshots, settings.relevance, settings.top)
    model = fit_topics(fit_DV, corpus.words, settings, seed, snapshots)
    plain_V = unigram(fit_DV, settings.word_prior)
    best_TR = top_words(model.word_TV, plain_V, settings.relevance, settings.top)
    reading: dict[str, Any] = {
        "topics": settings.count,
        "vocabulary": len(corpus.words),
        "documents": int(fit_DV.shape[0]),
        "tokens": int(fit_DV.sum()),
        "held_out_documents": int(held_DV.shape[0]),
        "held_out_tokens": int(held_DV.sum()),
        "windows": keys["window"].n_unique(),
    }
    windows = _by_window(model, plain_V, keys.filter(pl.Series(kept)), held_DV, seed)
    reading |= _compare_with_unigram(windows, settings.method)
    coherent = coherence_by_window(windows["window"], train, corpus.word_NV, best_TR)
    return TopicResult(model, best_TR, reading, _as_csv(windows.with_columns(coherent)), snapshots.table())


def fit_topics(
    fit_DV: csr_matrix, words: list[str], settings: Topics, seed: int, on_step: Snapshots | None = None
) -> TopicModel:
    """Topics of documents in time order, by the method of `settings`."""
    if settings.method == "gibbs":
        return gibbs.fit(fit_DV, settings.count, settings.gibbs, seed, on_step)
    return online_vb.fit(fit_DV, words, settings.count, settings.online_vb, seed, on_step)


def _by_window(
    model: TopicModel, plain_V: NDArray[np.float64], keys: pl.DataFrame, held_DV: csr_matrix, seed: int
) -> pl.DataFrame:
    """Perplexity of half of the words of held-out documents given the other half, beside the unigram's, by window."""
    read_DV, score_DV = split_words(held_DV, seed)
    nats_2D = np.stack([document_nats(model, read_DV, score_DV), unigram_nats(plain_V, score_DV)])
    return perplexity_by_window(keys, np.asarray(score_DV.sum(axis=1)).ravel(), nats_2D)


def _compare_with_unigram(windows: pl.DataFrame, method: str) -> dict[str, float]:
    """Both perplexities over all windows, and the share of windows where the topics' is the lower."""
    if windows.height == 0:
        logging.warning("topics: no words held out, so the topics are NOT CHECKED; raise topics.held_out")
        return {}
    word_W = windows["words"].to_numpy()
    means = [word_W @ np.log(windows[name].to_numpy()) / word_W.sum() for name in ("perplexity", "unigram_perplexity")]
    found, plain = np.exp(means).tolist()
    logging.info("topics: held-out perplexity %.0f, plain word frequencies %.0f", found, plain)
    if not found < plain:
        logging.warning(
            "topics: held-out perplexity %.0f is NOT LOWER than that of plain word frequencies, %.0f: these topics say "
            "nothing; try fewer (contents.<content>.topics.count), %s",
            found,
            plain,
            ADVICE[method],
        )
    lower = (windows["perplexity"] < windows["unigram_perplexity"]).mean()
    return {"perplexity": found, "unigram_perplexity": plain, "windows_under_unigram": float(lower)}  # type: ignore[arg-type]


def _as_csv(windows: pl.DataFrame) -> pl.DataFrame:
    """Windows as a day, and the hour where there are hours; digits that the same run gives again."""
    form = "%Y-%m-%dT%H:%M" if windows["window"].dt.hour().max() else "%Y-%m-%d"
    kept = windows.with_columns(pl.col("window").dt.strftime(form), pl.col(pl.Float64).round_sig_figs(9))
    return pl.DataFrame(kept, schema=COLUMNS)
