"""How well topics tell of each window: perplexity of its held-out words, coherence over what was acted on in it."""

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

COLUMNS = {
    "window": pl.String,
    "documents": pl.Int64,
    "words": pl.Int64,
    "perplexity": pl.Float64,
    "unigram_perplexity": pl.Float64,
    "coherence": pl.Float64,
}


def perplexity_by_window(
    keys: pl.DataFrame, words_D: NDArray[np.float64], nats_2D: NDArray[np.float64]
) -> pl.DataFrame:
    """One row a window that has scored words: held-out documents, their scored words, and both perplexities.

    Args:
        keys: user, window of each held-out document. nats_2D: surprise by topics and by plain word frequencies.
    """
    scored = keys.select("window").with_columns(words=words_D, topics=nats_2D[0], plain=nats_2D[1])
    mean = (pl.col("topics", "plain") / pl.col("words")).exp()
    return (
        scored.filter(pl.col("words") > 0)
        .group_by("window")
        .agg(pl.len().cast(pl.Int64).alias("documents"), pl.col("words", "topics", "plain").sum())
        .sort("window")
        .with_columns(mean)
        .select("window", "documents", pl.col("words").cast(pl.Int64), perplexity="topics", unigram_perplexity="plain")
    )


def coherence_by_window(
    window: pl.Series, events: pl.DataFrame, word_NV: csr_matrix, best_TR: NDArray[np.intp]
) -> pl.Series:
    """The topics' coherence in each window: over the texts of the items acted on in it; null where no top word occurs.

    Mean over topics and pairs of top words of log((texts with both + 1) / texts with the better ranked one), as Mimno
    et al. (2011) have it: pairs whose better ranked word does not occur are left out. At most log 2, higher is better.
    """
    topics, ranks = best_TR.shape
    low, high = np.tril_indices(ranks, -1)
    items = dict(events.group_by("window").agg(pl.col("item").unique()).rows())
    found: list[float | None] = []
    for start in window:
        has_ITR = (word_NV[items.get(start, [])][:, best_TR.ravel()] > 0).toarray().reshape(-1, topics, ranks)
        both_TRR = np.einsum("itr,its->trs", has_ITR, has_ITR, dtype=np.float32)
        alone_TP, both_TP = both_TRR[:, high, high], both_TRR[:, low, high]
        every = np.log((both_TP[alone_TP > 0] + 1.0) / alone_TP[alone_TP > 0])
        found.append(float(every.mean()) if len(every) else None)
    return pl.Series("coherence", found, pl.Float64)
