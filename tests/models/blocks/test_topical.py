"""Ante-RNN eq. 8-10 beside plain loops."""

import math

import pytest
import torch

from models.blocks import topical
from models.blocks.ragged import Parts
from models.blocks.topical import MeanWords, TopicalAttention

U, N, D, T = 3, 4, 5, 2
PLACE_V = torch.tensor([2, 0, 2, 1, 0])


def given() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Words of three items (4, 0 and 2 of them) and the topics of five events."""
    torch.manual_seed(0)
    said_UN = torch.arange(N) < torch.tensor([4, 0, 2])[:, None]
    return torch.randn(U, N, D) * said_UN[..., None], said_UN, torch.rand(5, T)


WAYS = ("compiled", "tensors", "tensors, two events at a time", "tensors, one by one")


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """By the compiled loop, or by tensors in chunks of any size."""
    if request.param != "compiled":
        monkeypatch.setattr(topical.reading, "able", lambda word, query_VD: False)
        monkeypatch.setattr(topical, "CHUNK", dict(zip(WAYS[1:], (1 << 20, 2 * N * D, 1), strict=True))[request.param])
    return str(request.param)


def test_equations_8_to_10_beside_loops(way: str) -> None:
    word_UND, said_UN, topic_VT = given()
    model = TopicalAttention(D, T)
    text_VD, share_VN = model(Parts.of(word_UND, said_UN), PLACE_V, topic_VT)
    for v, u in enumerate(PLACE_V.tolist()):
        word_ND = word_UND[u][said_UN[u]]
        g = [
            (model.out.weight[0] @ torch.tanh(model.topic.weight @ topic_VT[v] + model.word.weight @ e)).item()
            for e in word_ND
        ]
        total = sum(math.exp(x) for x in g)
        share = [math.exp(x) / total for x in g]
        torch.testing.assert_close(share_VN[v], torch.tensor(share + [0.0] * (N - len(share))))
        expected_D = sum((a * e for a, e in zip(share, word_ND, strict=True)), torch.zeros(D))
        torch.testing.assert_close(text_VD[v], expected_D)


def test_without_q_it_is_the_mean() -> None:
    word_UND, said_UN, topic_VT = given()
    model = TopicalAttention(D, T)
    torch.nn.init.zeros_(model.out.weight)
    text_VD, share_VN = model(Parts.of(word_UND, said_UN), PLACE_V, topic_VT)
    mean_VD, nothing = MeanWords()(Parts.of(word_UND, said_UN), PLACE_V, topic_VT)
    torch.testing.assert_close(text_VD, mean_VD)
    torch.testing.assert_close(text_VD[0], word_UND[2, :2].mean(0))
    assert share_VN[0].tolist() == [0.5, 0.5, 0, 0]
    assert nothing is None


def test_the_same_item_reads_differently_under_other_topics() -> None:
    word_UND, said_UN, topic_VT = given()
    text_VD, _ = TopicalAttention(D, T)(Parts.of(word_UND, said_UN), PLACE_V, topic_VT)
    assert (text_VD[0] - text_VD[2]).abs().max() > 1e-3


def test_padding_changes_nothing() -> None:
    word_UND, said_UN, topic_VT = given()
    model = TopicalAttention(D, T)
    text_VD, _ = model(Parts.of(word_UND, said_UN), PLACE_V, topic_VT)
    wide, none = torch.full((U, 3, D), 9.0), torch.zeros(U, 3, dtype=torch.bool)
    padded = Parts.of(torch.cat([word_UND, wide], 1), torch.cat([said_UN, none], 1))
    text, share = model(padded, PLACE_V, topic_VT)
    torch.testing.assert_close(text, text_VD)
    assert share.shape == (len(PLACE_V), N)


def test_no_words_at_all_is_zero() -> None:
    topic_VT = torch.rand(2, T)
    none = Parts(torch.zeros(0, D), torch.zeros(1, dtype=torch.long))
    for model in (TopicalAttention(D, T), MeanWords()):
        text_VD, _ = model(none, torch.tensor([0, 0]), topic_VT)
        assert torch.equal(text_VD, torch.zeros(2, D))
