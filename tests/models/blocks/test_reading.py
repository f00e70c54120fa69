"""The compiled loop over words beside the tensors of `topical`, in 64 bits and in 32."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from models.blocks import masked, reading
from models.blocks.ragged import Parts

D, V = 7, 9
LENGTH_U = torch.tensor([4, 0, 1, 11])
PLACE_V = torch.tensor([3, 0, 2, 1, 3, 3, 0, 1, 2])
Given = list[Tensor]  # word_XD, weight_DD, query_VD, out_D


def given(spread: float = 1.0) -> Given:
    torch.manual_seed(0)
    shapes = ((int(LENGTH_U.sum()), D), (D, D), (V, D), (D,))
    found = [torch.randn(shape) * scale for shape, scale in zip(shapes, (1, spread, spread, 1), strict=True)]
    return [part.requires_grad_() for part in found]


def compiled(parts: Given) -> tuple[Tensor, Tensor]:
    word_XD, weight_DD, query_VD, out_D = parts
    return reading.attend(Parts(word_XD, LENGTH_U), PLACE_V, weight_DD, query_VD, out_D)


def written_out(parts: Given) -> tuple[Tensor, Tensor]:
    """The equations in 64 bits."""
    word_XD, weight_DD, query_VD, out_D = (part.double() for part in parts)
    word = Parts(word_XD, LENGTH_U)
    word_VND = word.padded_UXD[PLACE_V]
    logit_VN = torch.tanh(word_VND @ weight_DD.T + query_VD[:, None]) @ out_D
    share_VN = masked.softmax(logit_VN, word.valid_UX[PLACE_V])
    return (share_VN[..., None] * word_VND).sum(1), share_VN


def learnt(way: Callable[[Given], tuple[Tensor, Tensor]], parts: Given) -> list[Tensor]:
    torch.manual_seed(1)
    text_VD, share_VN = way(parts)
    gradients = torch.autograd.grad((text_VD * torch.randn(V, D).to(text_VD.dtype)).sum(), parts)
    return [text_VD, share_VN, *gradients]


@pytest.mark.parametrize("spread", [0.0, 1.0, 8.0])
def test_text_shares_and_gradients_are_those_of_the_equations(spread: float) -> None:
    """Beyond 1 most of what is under the tanh is far out, where exponents differ by many powers of ten."""
    parts = given(spread)
    assert reading.able(Parts(parts[0], LENGTH_U), parts[2])
    for found, expected in zip(learnt(compiled, parts), learnt(written_out, parts), strict=True):
        torch.testing.assert_close(found.double(), expected.double(), rtol=2e-5, atol=2e-6)


def test_keys_so_large_that_their_exponents_overflow() -> None:
    parts = given()
    with torch.no_grad():
        parts[1] *= 200
        parts[2] *= 4
    assert bool((2 * parts[0] @ parts[1].T).exp().isinf().any())
    for found, expected in zip(learnt(compiled, parts), learnt(written_out, parts), strict=True):
        torch.testing.assert_close(found.double(), expected.double(), rtol=2e-5, atol=2e-6)


def test_words_that_do_not_learn_are_left_alone() -> None:
    parts, held = given(), given()
    held[0] = held[0].detach()
    for way in (parts, held):
        compiled(way)[0].pow(2).sum().backward()
    assert held[0].grad is None
    for one, other in zip(parts[1:], held[1:], strict=True):
        assert one.grad is not None
        assert other.grad is not None
        assert torch.equal(one.grad, other.grad)


@pytest.mark.parametrize("bad", ["long query", "nan", "64 bits", "16 bits"])
def test_what_it_cannot_take_is_left_to_tensors(bad: str) -> None:
    word_XD, _, query_VD, _ = (part.detach() for part in given())
    assert reading.able(Parts(word_XD, LENGTH_U), query_VD)
    if bad in ("64 bits", "16 bits"):
        word_XD = word_XD.to(torch.float64 if bad == "64 bits" else torch.bfloat16)
    else:
        query_VD[3, 2] = -31.0 if bad == "long query" else float("nan")
    assert not reading.able(Parts(word_XD, LENGTH_U), query_VD)


def test_nan_words_stay_nan() -> None:
    parts = given()
    with torch.no_grad():
        parts[0][0] = float("nan")
    text_VD, _ = compiled(parts)
    assert bool(text_VD[PLACE_V == 0].isnan().all())
    assert bool(text_VD[PLACE_V != 0].isfinite().all())


def test_no_events_and_no_words() -> None:
    word, weight_DD, out_D = Parts(torch.zeros(0, D), torch.zeros(2, dtype=torch.long)), torch.eye(D), torch.ones(D)
    text_VD, share_VN = reading.attend(word, torch.tensor([1, 0, 1]), weight_DD, torch.ones(3, D), out_D)
    assert torch.equal(text_VD, torch.zeros(3, D))
    assert share_VN.shape == (3, 0)
    nobody, none_VD = torch.zeros(0, dtype=torch.long), torch.ones(0, D)
    assert reading.able(word, none_VD)
    assert reading.attend(word, nobody, weight_DD, none_VD, out_D)[0].shape == (0, D)
