"""Skip-gram with negative sampling over weighed pairs of tokens (Mikolov et al., NIPS 2013), by a compiled loop."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numba import njit

TABLE = 1 << 20  # places of the noise's table at least
LEAST = 1e-4  # of the first rate, that the last one is

Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]  # source_P, target_P i64, weight_P f32


@dataclass(frozen=True)
class Steps:
    """How the vectors are learnt: draws a pair, the first rate, from which it falls evenly to almost none, passes."""

    negatives: int
    lr: float
    epochs: int


def noise(count_V: np.ndarray, power: float) -> np.ndarray:
    """A table in which token v stands in proportion to count_V[v] ** power; one that never was does not."""
    weight_V = np.where(count_V > 0, np.maximum(count_V, 1e-12) ** power, 0.0)
    size = max(TABLE, 64 * len(count_V))
    place_X = (np.arange(size) + 0.5) / size * weight_V.sum()
    found: np.ndarray = np.searchsorted(np.cumsum(weight_V), place_X, side="right").clip(max=len(count_V) - 1)
    return found


def kept(count_V: np.ndarray, token_E: np.ndarray, rho: float, rng: np.random.Generator) -> np.ndarray:
    """Which occurrences stay when one of share f is dropped with probability 1 - sqrt(rho / f); rho 0: all do."""
    if rho == 0:
        return np.ones(len(token_E), dtype=bool)
    share_V = count_V / max(count_V.sum(), 1)
    stays_V = np.sqrt(rho / np.maximum(share_V, 1e-30))
    found: np.ndarray = rng.random(len(token_E)) < stays_V[token_E]
    return found


def vectors(
    tokens: int,
    dim: int,
    table_X: np.ndarray,
    steps: Steps,
    rng: np.random.Generator,
    epoch: Callable[[], Iterator[tuple[Pairs, float]]],
) -> tuple[np.ndarray, np.ndarray]:
    """in_VD (from small numbers) and out_VD (from zero) after all passes.

    `epoch` gives the pairs of a pass in parts, each with the share of the pass that is done after it.
    """
    in_VD = ((rng.random((tokens, dim)) - 0.5) / dim).astype(np.float32)
    out_VD = np.zeros((tokens, dim), dtype=np.float32)
    for number in range(steps.epochs):
        before = 0.0
        for pairs, after in epoch():
            first, last = (steps.lr * max(1 - (number + at) / steps.epochs, LEAST) for at in (before, after))
            learn(in_VD, out_VD, pairs, table_X, (steps.negatives, first, last, int(rng.integers(1, 2**62))))
            before = after
    return in_VD, out_VD


def learn(
    in_VD: np.ndarray, out_VD: np.ndarray, pairs: Pairs, table_X: np.ndarray, how: tuple[int, float, float, int]
) -> None:
    """One step of gradient descent for each pair in its order, in place, as word2vec takes it.

    weight · (ln σ(in · out) + the sum over drawn tokens of ln σ(-in · out)) goes up. A drawn token that is the target
    itself is left out. how: negatives, first and last rate, seed.
    """
    negatives, first, last, seed = how
    rates = (np.float32(first), np.float32(last))
    _pass(in_VD, out_VD, pairs, table_X, negatives, rates, np.uint64(seed))


@njit(fastmath={"reassoc", "contract"}, cache=True)  # sums in any order; nan stays nan
def _pass(in_VD, out_VD, pairs, table_X, negatives, rates, state):  # type: ignore[no-untyped-def]
    (source_P, target_P, weight_P), (first, last) = pairs, rates
    one, dim, size = np.float32(1), in_VD.shape[1], np.uint64(len(table_X))
    pull_D = np.empty(dim, np.float32)
    for p in range(len(source_P)):
        rate = weight_P[p] * (first + (last - first) * np.float32(p / len(source_P)))
        own_D, target = in_VD[source_P[p]], target_P[p]
        pull_D[:] = 0
        for k in range(negatives + 1):
            token, label = target, one
            if k > 0:
                state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
                token, label = table_X[np.int64((state >> np.uint64(33)) % size)], np.float32(0)
                if token == target:
                    continue
            other_D = out_VD[token]
            score = np.float32(0)
            for d in range(dim):
                score += own_D[d] * other_D[d]
            slope = rate * (label - one / (one + np.exp(-score)))
            for d in range(dim):
                pull_D[d] += slope * other_D[d]
            for d in range(dim):
                other_D[d] += slope * own_D[d]
        for d in range(dim):
            own_D[d] += pull_D[d]
