"""The loop of skip-grams: against gensim's where both have no choice, against autograd, and what is drawn."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from models.blocks import skipgram

TOKENS, DIM = 6, 8


def some(seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return tuple(generator.normal(size=(TOKENS, DIM)).astype(np.float32) for _ in range(2))  # type: ignore[return-value]


def test_it_takes_gensims_steps() -> None:
    """One token outnumbers all others so much that every drawn one is it; then nothing is left to chance."""
    from gensim.models import Word2Vec

    sets = [["a", "b", "c"], ["b", "d"], ["c", "a", "d", "b"], ["d", "a"]]
    sentences = sets + [["x"]] * 100
    theirs = Word2Vec(
        vector_size=DIM, min_count=1, window=10, shrink_windows=False, sg=1, hs=0, negative=3, ns_exponent=30.0,
        sample=0, alpha=0.1, min_alpha=0.1, workers=1, epochs=5, seed=3,
    )  # fmt: skip
    theirs.build_vocab(sentences)
    place = theirs.wv.key_to_index
    in_VD, out_VD = theirs.wv.vectors.copy(), theirs.syn1neg.copy()
    first_VD = in_VD.copy()
    theirs.train(sentences, total_examples=len(sentences), epochs=5)
    # gensim foretells the word in the middle from each word around it
    pairs = [(place[s[j]], place[s[i]]) for s in sets for i in range(len(s)) for j in range(len(s)) if i != j] * 5
    source_P, target_P = (np.array(ends) for ends in zip(*pairs, strict=True))
    table_X = skipgram.noise(np.bincount([place["x"]] * 100 + [*source_P], minlength=5), 30.0)
    assert set(table_X.tolist()) == {place["x"]}
    skipgram.learn(in_VD, out_VD, (source_P, target_P, np.ones(len(pairs), np.float32)), table_X, (3, 0.1, 0.1, 1))
    moved = float(np.abs(theirs.wv.vectors - first_VD).max())
    assert moved > 0.5
    # gensim looks the sigmoid up in a table of 1,000 places
    np.testing.assert_allclose(in_VD, theirs.wv.vectors, atol=0.01 * moved)
    np.testing.assert_allclose(out_VD, theirs.syn1neg, atol=0.01 * float(np.abs(out_VD).max()))


@pytest.mark.parametrize("weight", [1.0, 0.3])
def test_a_step_is_the_gradient_of_the_weighed_loss(weight: float) -> None:
    in_VD, out_VD = some(1)
    own_VD, other_VD = (torch.from_numpy(t.copy()).requires_grad_() for t in (in_VD, out_VD))
    drawn = np.array([4])
    score = [(own_VD[2] * other_VD[token]).sum() for token in (5, 4)]
    loss = weight * (F.softplus(-score[0]) + 2 * F.softplus(score[1]))
    own, other = torch.autograd.grad(loss, [own_VD, other_VD])
    small = 1e-3  # the two draws of one token are steps one after the other
    pairs = np.array([2]), np.array([5]), np.array([weight], np.float32)
    before = in_VD.copy(), out_VD.copy()
    skipgram.learn(in_VD, out_VD, pairs, drawn, (2, small, small, 1))
    np.testing.assert_allclose((before[0] - in_VD) / small, own.numpy(), atol=3e-3)
    np.testing.assert_allclose((before[1] - out_VD) / small, other.numpy(), atol=3e-3)


def test_a_drawn_token_that_is_the_target_is_left_out() -> None:
    found = []
    for negatives in (0, 4):
        in_VD, out_VD = some(2)
        pairs = np.array([1]), np.array([3]), np.ones(1, np.float32)
        skipgram.learn(in_VD, out_VD, pairs, np.array([3]), (negatives, 0.1, 0.1, 1))
        found.append((in_VD, out_VD))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(found[0][0], some(2)[0])


def test_tokens_are_drawn_by_the_power_of_their_counts() -> None:
    count_V = np.array([0, 16, 1, 0, 81])
    for power in (0.75, 0.0, -1.0):
        share_V = np.bincount(skipgram.noise(count_V, power), minlength=5) / skipgram.TABLE
        weight_V = np.array([0, 16.0**power, 1, 0, 81.0**power])
        np.testing.assert_allclose(share_V, weight_V / weight_V.sum(), atol=2e-6)
    in_VD, out_VD = np.ones((5, 1), np.float32), np.zeros((5, 1), np.float32)
    many = 20_000
    pairs = np.zeros(many, np.int64), np.zeros(many, np.int64), np.ones(many, np.float32)
    skipgram.learn(in_VD, out_VD, pairs, skipgram.noise(count_V, 0.75), (1, 1e-6, 1e-6, 7))
    drawn_V = -out_VD[:, 0]  # as often as it was drawn, a token went down by the same small step
    np.testing.assert_allclose(drawn_V[1:] / drawn_V[1:].sum(), np.array([8, 1, 0, 27]) / 36, atol=0.02)


def test_frequent_occurrences_are_thinned() -> None:
    count_V, generator = np.array([0, 90_000, 10_000]), np.random.default_rng(1)
    token_E = np.repeat([1, 2], [90_000, 10_000])
    stays_E = skipgram.kept(count_V, token_E, 0.1, generator)
    assert stays_E[token_E == 1].mean() == pytest.approx((0.1 / 0.9) ** 0.5, abs=0.01)
    assert stays_E[token_E == 2].all()
    assert skipgram.kept(count_V, token_E, 0.0, generator).all()


def test_without_draws_products_grow_without_end() -> None:
    """What negatives are for."""

    def epoch() -> Iterator[tuple[skipgram.Pairs, float]]:
        source_P, target_P = np.tile([1, 1, 1, 2, 2, 2, 3, 3, 3], 200), np.tile([1, 2, 3], 600)
        yield (source_P, target_P, np.ones(len(source_P), np.float32)), 1.0

    size = []
    for negatives in (0, 5):
        steps = skipgram.Steps(negatives, 0.1, 20)
        table_X = skipgram.noise(np.array([0, 1, 1, 1]), 0.75)
        in_VD, out_VD = skipgram.vectors(4, 2, table_X, steps, np.random.default_rng(1), epoch)
        size.append(float((in_VD[1:] @ out_VD[1:].T).max()))
    assert size[0] > 5 > size[1] + 2


def test_the_rate_falls_evenly() -> None:
    """Steps of almost nothing on one component add up to the sum of the rates."""
    rates = []

    def epoch() -> Iterator[tuple[skipgram.Pairs, float]]:
        for after in (0.5, 1.0):
            yield (np.full(100, 1), np.full(100, 2), np.full(100, 1e-6, np.float32)), after

    original = skipgram.learn

    def watched(in_VD: np.ndarray, out_VD: np.ndarray, pairs: skipgram.Pairs, table_X: np.ndarray, how: tuple) -> None:  # type: ignore[type-arg]
        rates.append(how[1:3])
        original(in_VD, out_VD, pairs, table_X, how)

    skipgram.learn = watched
    try:
        skipgram.vectors(3, 2, np.array([1]), skipgram.Steps(1, 0.4, 2), np.random.default_rng(1), epoch)
    finally:
        skipgram.learn = original
    assert rates == [pytest.approx(r) for r in ((0.4, 0.3), (0.3, 0.2), (0.2, 0.1), (0.1, 0.4e-4))]
