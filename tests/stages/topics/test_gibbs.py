"""Streaming Gibbs: batch Gibbs where there is one batch, planted topics found, counts kept and forgotten."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix

from engine.tables.settings import checked
from stages.topics.gibbs import Fitted, Gibbs, fit, fold_in, learn
from stages.topics.quality import perplexity, split_words, unigram

GIBBS = {
    "batch": 50,
    "iterations": 40,
    "burn_in": 20,
    "forgetting": 0.0,
    "topic_prior": 0.1,
    "word_prior": 0.1,
    "fold_in": 20,
}


def settings(**changes: Any) -> Gibbs:
    return checked(Gibbs, GIBBS | changes, "topics.gibbs")


def planted(documents: int, length: int, topics: int = 10, seed: int = 1) -> tuple[np.ndarray, csr_matrix]:
    """Topics [T, V] and counts [D, V] drawn from them as the model says."""
    draws = np.random.default_rng(seed)
    word_TV = draws.dirichlet(np.full(100, 0.05), topics)
    share_DT = draws.dirichlet(np.full(topics, 0.1), documents)
    return word_TV, csr_matrix(np.stack([draws.multinomial(length, p) for p in share_DT @ word_TV]).astype(np.float32))


def noise() -> csr_matrix:
    return csr_matrix(np.random.default_rng(4).poisson(0.4, (60, 40)).astype(np.float32))


def numbers(seed: int) -> Iterator[float]:
    """SplitMix64 in whole numbers, 53 bits of each."""
    state, mask = seed, 2**64 - 1
    while True:
        state = (state + 0x9E3779B97F4A7C15) & mask
        bits = state
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            bits = ((bits ^ (bits >> shift)) * factor) & mask
        yield ((bits ^ (bits >> 31)) >> 11) / 2**53


def batch_gibbs(word_DV: csr_matrix, topics: int, how: Gibbs, seed: int) -> np.ndarray:
    """Collapsed Gibbs sampling (Griffiths and Steyvers 2004) over all documents at once; mean counts [V, T]."""
    draw = numbers(seed)
    tokens = [
        (d, v)
        for d in range(word_DV.shape[0])
        for v, times in zip(word_DV[d].indices, word_DV[d].data, strict=True)
        for _ in range(int(times))
    ]
    given: list[int | None] = [None] * len(tokens)
    document_DT, word_VT = np.zeros((word_DV.shape[0], topics)), np.zeros((word_DV.shape[1], topics))
    mean_VT = np.zeros_like(word_VT)
    for sweep in range(how.iterations):
        for x, (d, v) in enumerate(tokens):
            if given[x] is not None:
                document_DT[d, given[x]] -= 1
                word_VT[v, given[x]] -= 1
            likely_T = (document_DT[d] + how.topic_prior) * (word_VT[v] + how.word_prior)
            upto_T = np.cumsum(likely_T / (word_VT.sum(0) + how.word_prior * len(word_VT)))
            chosen = int(np.searchsorted(upto_T, next(draw) * upto_T[-1], "right"))
            given[x] = chosen
            document_DT[d, chosen] += 1
            word_VT[v, chosen] += 1
        if sweep >= how.burn_in:
            mean_VT += word_VT
    return mean_VT / (how.iterations - how.burn_in)


def test_one_batch_with_nothing_forgotten_is_batch_gibbs() -> None:
    how = settings(batch=60, iterations=8, burn_in=5)
    word_DV, seen = noise(), []
    fit(word_DV, 6, how, 7, lambda documents, weight_TV: seen.append((documents, weight_TV)))
    expected_VT = batch_gibbs(word_DV, 6, how, 7)
    [(documents, weight_TV)] = seen
    assert documents == 60
    np.testing.assert_allclose(weight_TV, expected_VT.T + 0.1, rtol=0, atol=1e-9)
    assert len(np.unique(expected_VT)) > 10
    other = fit(word_DV, 6, settings(batch=30, iterations=8, burn_in=5), 7)
    assert not np.allclose(other.word_TV, weight_TV / weight_TV.sum(1, keepdims=True))
    one_VT = learn(np.zeros((40, 6)), word_DV, how, np.array([7], np.uint64))
    np.testing.assert_array_equal(one_VT.T + 0.1, weight_TV)


def test_planted_topics_are_found() -> None:
    planted_TV, word_DV = planted(600, 80)
    found_TV = fit(word_DV, 10, settings(), 1).word_TV
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (planted_TV, found_TV)]
    cosine_TT = unit[0] @ unit[1].T
    row, column = linear_sum_assignment(-cosine_TT)
    assert cosine_TT[row, column].min() > 0.9


def test_a_stream_is_nearly_as_good_as_all_at_once() -> None:
    _, word_DV = planted(800, 60)
    read_DV, score_DV = split_words(word_DV[600:], 1)
    stream, batch = (
        perplexity(fit(word_DV[:600], 10, settings(batch=size), 1), read_DV, score_DV) for size in (60, 600)
    )
    assert stream < 1.1 * batch
    assert batch < 25  # of 100 words


def test_every_token_is_counted_and_forgetting_bounds_them() -> None:
    word_DV = noise()
    kept: list[float] = []
    how = settings(batch=6)
    fit(word_DV, 6, how, 1, lambda _, weight_TV: kept.append(weight_TV.sum() - 40 * 6 * 0.1))
    said = np.add.reduceat(np.asarray(word_DV.sum(axis=1)).ravel(), np.arange(0, 60, 6))
    np.testing.assert_allclose(kept, np.cumsum(said))
    fading: list[float] = []
    fit(word_DV, 6, settings(batch=6, forgetting=0.5), 1, lambda _, w_TV: fading.append(w_TV.sum() - 40 * 6 * 0.1))
    expected = 0.0
    for number, said_now in enumerate(said):
        expected = 0.5 * (expected + said_now)
        assert fading[number] == pytest.approx(expected)
    assert fading[-1] < said.max()


def test_words_that_come_late_are_learned_and_early_ones_fade() -> None:
    draws = np.random.default_rng(2)
    early, late = draws.poisson(2.0, (64, 20)), draws.poisson(2.0, (64, 20))
    word_DV = csr_matrix(np.block([[early, np.zeros((64, 20))], [np.zeros((64, 20)), late]]).astype(np.float32))
    mass = []
    for forgetting in (0.0, 0.5):
        seen: list[np.ndarray] = []
        fit(word_DV, 4, settings(batch=16, forgetting=forgetting), 1, lambda _, w_TV, seen=seen: seen.append(w_TV))
        word_V = seen[-1].sum(0) - 4 * 0.1
        mass.append(word_V[20:].sum() / word_V.sum())
    assert mass == [pytest.approx(0.5, abs=0.05), pytest.approx(16 / 17, abs=0.02)]


def test_one_topic_is_the_unigram() -> None:
    found = fit(noise(), 1, settings(), 1)
    np.testing.assert_allclose(found.word_TV[0], unigram(noise(), 0.1))


def test_the_seed_is_all_that_draws() -> None:
    one, again, other = (fit(noise(), 6, settings(iterations=3, burn_in=1), seed).word_TV for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_a_document_hangs_on_its_own_words_alone() -> None:
    found = fit(noise(), 6, settings(), 1)
    together = found.shares(noise(), "all")
    np.testing.assert_allclose(together.sum(1), 1, rtol=1e-6)
    alone = np.concatenate([found.shares(noise()[d], "one") for d in (5, 3)])
    np.testing.assert_array_equal(together[[5, 3]], alone)
    assert found.shares(noise()[:0], "none").shape == (0, 6)


def test_what_few_words_say_is_exact() -> None:
    """Nothing said: every topic alike. One word said: its topic's posterior. The same word twice pulls together."""
    word_TV = np.array([[0.6, 0.3, 0.1], [0.2, 0.2, 0.6]])
    word_DV = csr_matrix(np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0]]))
    share_DT = fold_in(word_TV, word_DV, 0.5, 50, "few")
    np.testing.assert_allclose(share_DT[0], [0.5, 0.5])
    np.testing.assert_allclose(share_DT[1], [(0.75 + 0.5) / 2, (0.25 + 0.5) / 2], rtol=1e-6)
    guess = 0.75
    for _ in range(200):  # each of the two given the other
        odds = 3 * (guess + 0.5) / (1 - guess + 0.5)
        guess = odds / (1 + odds)
    np.testing.assert_allclose(share_DT[2], [(2 * guess + 0.5) / 3, (2 * (1 - guess) + 0.5) / 3], rtol=1e-5)


def test_known_topics_give_back_the_shares() -> None:
    word_TV, word_DV = planted(50, 2000)
    found = Fitted(1e9 * word_TV.T, settings())
    draws = np.random.default_rng(1)
    draws.dirichlet(np.full(100, 0.05), 10)
    share_DT = draws.dirichlet(np.full(10, 0.1), 50)
    np.testing.assert_allclose(found.shares(word_DV, "known"), share_DT, atol=0.04)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch", 0),
        ("iterations", 0),
        ("burn_in", -1),
        ("forgetting", 1.0),
        ("topic_prior", 0.0),
        ("word_prior", -0.1),
        ("fold_in", 0),
    ],
)
def test_settings_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"topics\.gibbs\.{name}: .*found {value}"):
        settings(**{name: value})


def test_a_burn_in_must_leave_sweeps() -> None:
    with pytest.raises(ValueError, match="burn_in 40 leaves none of 40 iterations"):
        settings(burn_in=40)
