"""Whether topics say more than word frequencies: perplexity of held-out words, and coherence of top words."""

from typing import Protocol

import numpy as np
from gensim.corpora import Dictionary
from gensim.models import CoherenceModel
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from stages.topics.online_vb import Stream


class TopicModel(Protocol):
    """What a method found: topics [T, V], each a distribution over words, and what they say of documents."""

    word_TV: NDArray[np.float64]

    def shares(self, word_DV: csr_matrix, title: str) -> NDArray[np.float32]:
        """The topics' shares of each document [D, T]; rows sum to 1 and hang on no other row."""


def split_words(word_DV: csr_matrix, seed: int) -> tuple[csr_matrix, csr_matrix]:
    """Each word of each document to one half or the other, by a fair draw; documents keep their rows."""
    # astype sorts each row: the draws are made for the sorted words
    count_DV = word_DV.astype(np.float64)
    read = count_DV.copy()
    read.data = np.random.default_rng(seed).binomial(count_DV.data.astype(np.int64), 0.5).astype(np.float64)
    score = count_DV - read
    read.eliminate_zeros()
    score.eliminate_zeros()
    return read, csr_matrix(score)


def document_nats(model: TopicModel, read_DV: csr_matrix, score_DV: csr_matrix) -> NDArray[np.float64]:
    """Negative log probability (nats) of each document's scored words [D], given the shares of the words read.

    Document completion (Wallach et al. 2009). The words' weights are the posterior means, not gensim's bound.
    """
    share_DT = model.shares(read_DV, "held-out documents").astype(np.float64)
    nats_D = np.zeros(len(share_DT))
    for start in range(0, len(share_DT), 256):
        part = score_DV[start : start + 256].tocoo()
        weight_BV = share_DT[start : start + 256] @ model.word_TV
        np.add.at(nats_D, start + part.row, -part.data * np.log(weight_BV[part.row, part.col]))
    return nats_D


def perplexity(model: TopicModel, read_DV: csr_matrix, score_DV: csr_matrix) -> float:
    """exp of the mean surprise of a scored word."""
    return float(np.exp(document_nats(model, read_DV, score_DV).sum() / score_DV.sum()))


def unigram(fit_DV: csr_matrix, prior: float) -> NDArray[np.float64]:
    """How often each word stands in the fitted documents [V], with the topics' own prior; sums to 1."""
    count_V = np.asarray(fit_DV.sum(axis=0), np.float64).ravel() + prior
    return count_V / float(count_V.sum())


def unigram_nats(unigram_V: NDArray[np.float64], score_DV: csr_matrix) -> NDArray[np.float64]:
    """The same [D] for one distribution for all documents."""
    return -np.asarray(score_DV @ np.log(unigram_V))


def unigram_perplexity(unigram_V: NDArray[np.float64], score_DV: csr_matrix) -> float:
    """exp of the mean surprise of a scored word, for one distribution for all documents."""
    return float(np.exp(unigram_nats(unigram_V, score_DV).sum() / score_DV.sum()))


def top_words(
    word_TV: NDArray[np.float64], unigram_V: NDArray[np.float64], relevance: float, top: int
) -> NDArray[np.intp]:
    """The columns [T, top] of the words that tell a topic best, best first (Sievert and Shirley 2014).

    relevance 1 ranks by weight in the topic alone, 0 by weight over the word's weight everywhere.
    """
    telling_TV = np.log(word_TV) - (1.0 - relevance) * np.log(unigram_V)
    return np.argsort(-telling_TV, axis=1, kind="stable")[:, :top]


def coherence(best_TR: NDArray[np.intp], words: list[str], text_IV: csr_matrix) -> float:
    """Mean u_mass of the topics' top words over the items' texts (Mimno et al. 2011): at most 0, higher is better."""
    dictionary = Dictionary()
    dictionary.token2id = {word: number for number, word in enumerate(words)}
    best = [[words[v] for v in row] for row in best_TR.tolist()]
    texts = list(Stream(text_IV, "coherence"))
    model = CoherenceModel(topics=best, corpus=texts, dictionary=dictionary, coherence="u_mass", topn=best_TR.shape[1])
    return float(model.get_coherence())
