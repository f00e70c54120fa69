"""Streaming collapsed Gibbs sampling (Gao, Chen, Zhu 2016): mini-batches in time order, the past kept as counts."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from rich.progress import track
from scipy.sparse import csr_matrix

from engine.tables.settings import Record
from stages.topics.gibbs_loops import infer_shares, sweep

BLOCK = 1024  # documents read between two steps of the progress bar

Counts = NDArray[np.float64]
OnStep = Callable[[int, NDArray[np.float64]], None]


class Gibbs(Record):
    """Streaming Gibbs sampling."""

    batch: int = Field(1024, ge=1, description="documents a mini-batch")
    iterations: int = Field(200, ge=1, description="sweeps over each mini-batch")
    burn_in: int = Field(100, ge=0, description="sweeps before counts are averaged; fewer than iterations")
    forgetting: float = Field(
        0.0, ge=0, lt=1, description="share of the counts that is forgotten after each mini-batch"
    )
    topic_prior: float = Field(0.1, gt=0, description="prior count of each topic in a document (alpha)")
    word_prior: float = Field(0.1, gt=0, description="prior count of each word in a topic (beta)")
    fold_in: int = Field(20, ge=1, description="sweeps that read a document with the topics as they are")

    @model_validator(mode="after")
    def _leaves_sweeps(self) -> Self:
        if self.burn_in >= self.iterations:
            raise ValueError(f"burn_in {self.burn_in} leaves none of {self.iterations} iterations; make it smaller")
        return self


class Fitted:
    """Topics [T, V], each a distribution over words, and what they say of documents."""

    def __init__(self, count_VT: Counts, settings: Gibbs):
        weight_TV = count_VT.T + settings.word_prior
        self.word_TV: NDArray[np.float64] = weight_TV / weight_TV.sum(axis=1, keepdims=True)
        self._settings = settings

    def shares(self, word_DV: csr_matrix, title: str) -> NDArray[np.float32]:
        """The topics' shares of each document [D, T]; rows sum to 1 and hang on no other row."""
        return fold_in(self.word_TV, word_DV, self._settings.topic_prior, self._settings.fold_in, title)


def fold_in(
    word_TV: NDArray[np.float64], word_DV: csr_matrix, prior: float, sweeps: int, title: str
) -> NDArray[np.float32]:
    """The topics' shares of each document [D, T], the topics as they are: CVB0 (Asuncion et al. 2009), no draws.

    Each word's probabilities of the topics are set by those of the document's other words, `sweeps` times over.
    """
    found = np.empty((word_DV.shape[0], len(word_TV)), np.float32)
    word_VT = np.ascontiguousarray(word_TV.T)
    for start in track(range(0, len(found), BLOCK), title):
        part = csr_matrix(word_DV[start : start + BLOCK], dtype=np.float64)
        infer_shares(part.indptr, part.indices, part.data, word_VT, (prior, sweeps), found[start : start + BLOCK])
    return found


def fit(word_DV: csr_matrix, count: int, settings: Gibbs, seed: int, on_step: OnStep | None = None) -> Fitted:
    """Fit `count` topics to documents in time order, one pass over mini-batches of one size; the same seed, the same
    topics. `on_step` is told after each mini-batch how many documents were read, and the weights [T, V].
    """
    count_VT, stream = np.zeros((word_DV.shape[1], count)), np.array([seed], np.uint64)
    documents = word_DV.shape[0]
    edges = np.linspace(0, documents, 1 + math.ceil(documents / settings.batch)).astype(int).tolist()
    for start, stop in track(list(pairwise(edges)), "fit topics"):
        count_VT = learn(count_VT, word_DV[start:stop], settings, stream)
        if on_step is not None:
            on_step(stop, count_VT.T + settings.word_prior)
    return Fitted(count_VT, settings)


def learn(count_VT: Counts, word_DV: csr_matrix, settings: Gibbs, stream: NDArray[np.uint64]) -> Counts:
    """The counts [V, T] after one mini-batch: what was there and the mean of the batch's own over the sweeps after the
    burn-in, times what is not forgotten. From no counts, nothing forgotten, this is batch collapsed Gibbs sampling.

    Args:
        stream: [1], where the random numbers stand; it is moved on.
    """
    times = word_DV.data.astype(np.int64)
    word_X = np.repeat(word_DV.indices, times).astype(np.int64)
    end_D = np.concatenate([[0], np.cumsum(times)])[word_DV.indptr]
    topic_X = np.full(len(word_X), -1)
    count_VT = count_VT.copy()
    mean_VT = np.zeros_like(count_VT)
    for number in range(settings.iterations):
        sweep(word_X, end_D, topic_X, count_VT, (settings.topic_prior, settings.word_prior), stream)
        if number >= settings.burn_in:
            mean_VT += count_VT
    kept: Counts = mean_VT * ((1.0 - settings.forgetting) / (settings.iterations - settings.burn_in))
    return kept
