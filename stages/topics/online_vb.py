"""Online variational Bayes (Hoffman, Blei, Bach 2010) by gensim, set so that it does not diverge in time order."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from gensim.models import LdaModel
from numpy.typing import NDArray
from pydantic import Field
from rich.progress import track
from scipy.sparse import csr_matrix

from engine.tables.settings import Record

BATCH = 1024  # documents read at once

Bag = list[tuple[int, float]]
OnStep = Callable[[int, NDArray[np.float64]], None]


class OnlineVB(Record):
    """Online variational Bayes; a step's rate is (offset + step) ** -rate_decay."""

    chunk: int = Field(128, ge=1, description="documents a step")
    offset: float = Field(8, ge=1, description="steps that the rate is damped by at the start; 1: not at all")
    rate_decay: float = Field(
        0.7, ge=0.5, le=1, description="how fast the rate falls: the exponent of the step's number"
    )
    passes: int = Field(2, ge=1, description="passes over the documents, in order of time")
    iterations: int = Field(50, ge=1, description="rounds at most in which a document's shares are inferred")
    topic_prior: float = Field(0.1, gt=0, description="prior count of each topic in a document (alpha)")
    word_prior: float = Field(0.1, gt=0, description="prior count of each word in a topic (eta)")
    seeds: int = Field(5, ge=1, description="documents whose words a topic starts from")


class EvenStart:
    """The start of every inference, in place of gensim's draws: a document's shares then hang on its words alone."""

    def gamma(self, _shape: float, _scale: float, size: tuple[int, int]) -> NDArray[np.float64]:
        """Ones: no topic is favoured."""
        return np.ones(size)


@dataclass(frozen=True)
class Stream:
    """The rows of a sparse matrix as gensim takes documents, made as they are asked for."""

    word_DV: csr_matrix
    title: str

    def __len__(self) -> int:
        return int(self.word_DV.shape[0])

    def __iter__(self) -> Iterator[Bag]:
        indptr = self.word_DV.indptr.tolist()
        for a, b in track(pairwise(indptr), self.title, total=len(self)):
            yield list(zip(self.word_DV.indices[a:b].tolist(), self.word_DV.data[a:b].tolist(), strict=True))


class WatchedLda(LdaModel):  # type: ignore[misc]
    """Tells `on_step` after each step of the last pass how many of its documents were read, and the weights [T, V]."""

    on_step: OnStep | None = None
    ahead = 0  # documents to read before the last pass

    def do_mstep(self, rho: float, other: Any, extra_pass: bool = False) -> None:
        """gensim's step, then the word."""
        read = int(other.numdocs)
        super().do_mstep(rho, other, extra_pass)
        self.ahead -= read
        if self.on_step is not None and self.ahead < 0:
            self.on_step(-self.ahead, self.state.get_lambda())


class Fitted:
    """Topics [T, V], each a distribution over words, and what they say of documents."""

    def __init__(self, model: LdaModel):
        model.random_state = EvenStart()
        self._model = model
        lambda_TV = model.state.get_lambda()
        self.word_TV: NDArray[np.float64] = lambda_TV / lambda_TV.sum(axis=1, keepdims=True)

    def shares(self, word_DV: csr_matrix, title: str) -> NDArray[np.float32]:
        """The topics' shares of each document [D, T]; rows sum to 1 and hang on no other row."""
        found = np.empty((word_DV.shape[0], len(self.word_TV)), np.float32)
        batch: list[Bag] = []
        for row, bag in enumerate(Stream(word_DV, title)):
            batch.append(bag)
            if len(batch) == BATCH or row == len(found) - 1:
                gamma_BT, _ = self._model.inference(batch)
                found[row + 1 - len(batch) : row + 1] = gamma_BT / gamma_BT.sum(axis=1, keepdims=True)
                batch = []
        return found


def fit(
    word_DV: csr_matrix, words: list[str], count: int, settings: OnlineVB, seed: int, on_step: OnStep | None = None
) -> Fitted:
    """Fit `count` topics to documents in time order, in one process; the same seed gives the same topics.

    gensim adds its type's epsilon to the norm of each word, so a word that weighs less in every topic loses its counts
    and is never learned again: why weekly calls with its defaults diverge (docs/topics.md). Hence 64 bits, a prior
    that keeps an unseen word above epsilon, topics that start from documents, and a damped first step.
    """
    logging.getLogger("gensim").setLevel(logging.ERROR)  # it guesses at convergence; the held-out words tell
    model = WatchedLda(
        id2word=dict(enumerate(words)),
        num_topics=count,
        alpha=settings.topic_prior,
        eta=settings.word_prior,
        offset=settings.offset,
        decay=settings.rate_decay,
        iterations=settings.iterations,
        eval_every=None,
        random_state=seed,
        dtype=np.float64,
    )
    model.state.sstats *= _start(word_DV, count, settings.seeds, seed)
    model.sync_state()
    # steps of one size: a small last one would weigh each of its documents many times over
    documents = word_DV.shape[0]
    steps = -(-documents // settings.chunk)
    model.on_step, model.ahead = on_step, documents * (settings.passes - 1)
    model.update(Stream(word_DV, "fit topics"), chunksize=-(-documents // steps), passes=settings.passes)
    return Fitted(model)


def _start(word_DV: csr_matrix, count: int, seeds: int, seed: int) -> NDArray[np.float64]:
    """Counts [T, V]: each topic starts as the words of a few documents; together they weigh as much as all."""
    draws = np.random.default_rng(seed)
    taken = min(seeds, word_DV.shape[0])
    chosen = (draws.choice(word_DV.shape[0], taken, replace=False) for _ in range(count))
    start = [np.asarray(word_DV[rows].sum(axis=0), np.float64).ravel() for rows in chosen]
    start_TV: NDArray[np.float64] = np.stack(start)
    start_TV *= float(word_DV.sum()) / count / start_TV.sum(axis=1, keepdims=True)
    return start_TV
