"""The loops of Gibbs sampling: random numbers from a counter, a topic anew for each token, a document read."""

import numpy as np
from numba import njit


@njit(cache=True)
def _draw(stream):  # type: ignore[no-untyped-def]
    """A number in [0, 1) from a counter, by the finaliser of SplitMix64 (Steele, Lea, Flood 2014)."""
    stream[0] += np.uint64(0x9E3779B97F4A7C15)
    bits = stream[0]
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    bits = bits ^ (bits >> np.uint64(31))
    return np.float64(bits >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@njit(cache=True)
def sweep(word_X, end_D, topic_X, count_VT, priors, stream):  # type: ignore[no-untyped-def]
    """Each token's topic anew, given all others: p(t) ~ (own_t + a) (count_wt + b) / (total_t + V b).

    A token of no topic yet (-1) is given its first.
    """
    alpha, beta = priors
    words, topics = count_VT.shape
    total_T = count_VT.sum(axis=0) + words * beta
    scale_T, own_T, upto_T = 1.0 / total_T, np.empty(topics), np.empty(topics)
    for d in range(len(end_D) - 1):
        own_T[:] = alpha
        for x in range(end_D[d], end_D[d + 1]):
            if topic_X[x] >= 0:
                own_T[topic_X[x]] += 1.0
        for x in range(end_D[d], end_D[d + 1]):
            count_T, old = count_VT[word_X[x]], topic_X[x]
            if old >= 0:
                own_T[old] -= 1.0
                count_T[old] -= 1.0
                total_T[old] -= 1.0
                scale_T[old] = 1.0 / total_T[old]
            mass = 0.0
            for t in range(topics):
                mass += own_T[t] * (count_T[t] + beta) * scale_T[t]
                upto_T[t] = mass
            mark, new = _draw(stream) * mass, 0
            for t in range(topics - 1):  # no branch: faster than a search
                new += upto_T[t] <= mark
            topic_X[x] = new
            own_T[new] += 1.0
            count_T[new] += 1.0
            total_T[new] += 1.0
            scale_T[new] = 1.0 / total_T[new]


@njit(cache=True, fastmath={"reassoc"})
def infer_shares(indptr, indices, times, word_VT, settings, share_DT):  # type: ignore[no-untyped-def]
    """Topic shares of documents, the topics as they are: each word's guess from those of the document's other words."""
    prior, sweeps = settings
    topics = word_VT.shape[1]
    for d in range(len(indptr) - 1):
        start, stop = indptr[d], indptr[d + 1]
        guess_XT, sum_T = np.empty((stop - start, topics)), np.full(topics, prior)
        for x in range(start, stop):
            guess_XT[x - start] = word_VT[indices[x]] / word_VT[indices[x]].sum()
            sum_T += times[x] * guess_XT[x - start]
        for _ in range(sweeps):
            for x in range(start, stop):
                guess_T, word_T, count = guess_XT[x - start], word_VT[indices[x]], times[x]
                mass = 0.0
                for t in range(topics):
                    sum_T[t] -= count * guess_T[t]
                    guess_T[t] = (sum_T[t] + (count - 1.0) * guess_T[t]) * word_T[t]
                    mass += guess_T[t]
                for t in range(topics):
                    guess_T[t] /= mass
                    sum_T[t] += count * guess_T[t]
        share_DT[d] = sum_T / sum_T.sum()
