"""Streaming Gibbs beside gensim's online variational Bayes on the same documents in time order.

    python -m benchmarks.topics data/demo [--protocol temporal] [--content demo] [contents.demo.topics.count=70 …]

Texts and events are those that the stage `topics` reads of that data set; the settings are `contents.<content>.topics`
in params.yaml with the overrides. Documents of the training part, some held out, as the stage has it.
Each way is read twice on the same halves of the same held-out documents: with its own reading of a document, which is
what the stage writes, and with one reading for all (the topics as they are, CVB0, the same prior). Ways: gensim as the
settings have it, gensim with one pass, as Gibbs has one, gensim with chunks of the same settings but its own defaults
else, and Gibbs. Tokens are token visits in the fit (tokens times sweeps, or times passes), a second of one core.
"""

import argparse
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from gensim.models import LdaModel
from scipy.sparse import csr_matrix

from engine.tables import store
from engine.tables.layout import Layout
from engine.tables.params import override, read_yaml
from engine.tables.schemas import CATALOG, SPLIT
from engine.tables.settings import checked
from stages.topics import gibbs, online_vb
from stages.topics.documents import count_words, events_by_window, held_out
from stages.topics.quality import TopicModel, coherence, perplexity, split_words, top_words, unigram, unigram_perplexity
from stages.topics.settings import Topics


class OneReading:
    """Topics of any method, documents read in one way."""

    def __init__(self, found: TopicModel, settings: gibbs.Gibbs):
        self.word_TV, self._settings = found.word_TV, settings

    def shares(self, word_DV, title):  # type: ignore[no-untyped-def]
        """Topic shares [D, T]."""
        return gibbs.fold_in(self.word_TV, word_DV, self._settings.topic_prior, self._settings.fold_in, title)


@dataclass(frozen=True)
class Texts:
    """Documents to fit and the two halves of those held out; words, and the texts of the items that have some."""

    settings: Topics
    seed: int
    words: list[str]
    fit_DV: csr_matrix
    read_DV: csr_matrix
    score_DV: csr_matrix
    spoken_NV: csr_matrix

    @classmethod
    def of(cls, layout: Layout, settings: Topics, seed: int) -> "Texts":
        """The training part's documents, as the stage has them."""
        split = store.read(layout.split, SPLIT, ["user", "position", "item", "time", "part"])
        corpus = count_words(store.read(layout.catalog, CATALOG), settings.vocabulary, int(split["item"].max()))  # type: ignore[arg-type]
        keys, word_DV = corpus.documents(events_by_window(split, settings.window).filter(pl.col("part") == "train"))
        kept = held_out(keys, settings.held_out, seed)
        spoken_NV = corpus.word_NV[np.diff(corpus.word_NV.indptr) > 0]
        return cls(settings, seed, corpus.words, word_DV[~kept], *split_words(word_DV[kept], seed), spoken_NV)


def ways(texts: Texts) -> dict[str, tuple[Callable[[], TopicModel], int]]:
    """How topics are fitted, and how often each token is visited."""
    settings, seed, fit_DV = texts.settings, texts.seed, texts.fit_DV

    def defaults() -> TopicModel:
        model = LdaModel(
            online_vb.Stream(fit_DV, "gensim, its defaults"),
            num_topics=settings.count,
            id2word=dict(enumerate(texts.words)),
            chunksize=settings.online_vb.chunk,
            eval_every=None,
            random_state=seed,
        )
        return online_vb.Fitted(model)

    def vb(passes: int) -> TopicModel:
        how = settings.online_vb.model_copy(update={"passes": passes})
        return online_vb.fit(fit_DV, texts.words, settings.count, how, seed)

    passes, sweeps = settings.online_vb.passes, settings.gibbs.iterations
    return {
        "gensim, its defaults, one pass": (defaults, 1),
        "online_vb, one pass": (lambda: vb(1), 1),
        f"online_vb, {passes} passes": (lambda: vb(passes), passes),
        "gibbs, one pass": (lambda: gibbs.fit(fit_DV, settings.count, settings.gibbs, seed), sweeps),
    }


def line(name: str, texts: Texts, plain_V: np.ndarray, way: Callable[[], TopicModel], visits: int) -> str:
    """What one way gives, and what it takes."""
    settings = texts.settings
    started = time.process_time()
    found = way()
    used = time.process_time() - started
    best_TR = top_words(found.word_TV, plain_V, settings.relevance, settings.top)
    own = perplexity(found, texts.read_DV, texts.score_DV)
    same = perplexity(OneReading(found, settings.gibbs), texts.read_DV, texts.score_DV)
    coherent = coherence(best_TR, texts.words, texts.spoken_NV)
    speed = f"{texts.fit_DV.sum() * visits / used:,.0f} tokens a second of one core"
    return (
        f"{name}: held-out perplexity {own:,.0f}, with one reading for all {same:,.0f}, coherence {coherent:.2f}, "
        f"fitted in {used:.1f} s, {speed}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the data set's folder, e.g. data/demo")
    parser.add_argument("--protocol", default="temporal")
    parser.add_argument("--content", default="", help="a name under `contents` in params.yaml; empty: the chosen one")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    arguments = parser.parse_args()
    logging.disable()
    params = read_yaml(Path("params.yaml"))
    for assignment in arguments.overrides:
        override(params, assignment)
    section = params["contents"][arguments.content or params["content"]]["topics"]
    settings, seed = checked(Topics, section, "topics"), int(params["seed"])
    texts = Texts.of(Layout(arguments.data, arguments.protocol), settings, seed)
    short = settings.gibbs.model_copy(update={"iterations": 2, "burn_in": 1})
    gibbs.fit(texts.fit_DV[:2], settings.count, short, seed)  # compiles
    plain_V = unigram(texts.fit_DV, settings.word_prior)
    plain = unigram_perplexity(plain_V, texts.score_DV)
    sizes = f"{texts.fit_DV.shape[0]:,} documents, {texts.fit_DV.sum():,.0f} tokens, {len(texts.words):,} words"
    print(f"{sizes}, {settings.count} topics; plain word frequencies: held-out perplexity {plain:,.0f}", flush=True)
    for name, (way, visits) in ways(texts).items():
        print(line(name, texts, plain_V, way, visits), flush=True)


if __name__ == "__main__":
    main()
