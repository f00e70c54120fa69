"""The paper's GRU: on numbers done by hand, against torch's where the two are one, and its written gradients."""

import math

import pytest
import torch
from torch import Tensor, nn

from models.blocks.gru import PaperGRU


def made(dim: int, seed: int = 0) -> PaperGRU:
    torch.manual_seed(seed)
    return PaperGRU(dim).double()


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_equation_21_by_hand() -> None:
    """Two units whose candidate mixes them, so that where the reset stands shows."""
    gru = made(2)
    with torch.no_grad():
        gru.input_ED.copy_(torch.tensor([[1.0, 0], [0, 1], [0.5, 0], [0, -0.5], [1, 1], [2, 0]]))
        gru.state_ED.copy_(torch.tensor([[0.2, 0], [0, 0.2], [1, 0], [0, 1], [0, 1.5], [-1, 0]]))
    value_BLD = torch.tensor([[[1.0, -1.0], [0.5, 2.0]]], dtype=torch.double)
    first = [sigmoid(1) * math.tanh(0), sigmoid(-1) * math.tanh(2)]  # from zero the state adds nothing
    a, b = first
    z = [sigmoid(0.5 + 0.2 * a), sigmoid(2 + 0.2 * b)]
    r = [sigmoid(0.25 + a), sigmoid(-1 + b)]
    c = [math.tanh(2.5 + 1.5 * r[1] * b), math.tanh(1 - r[0] * a)]
    second = [(1 - z[0]) * a + z[0] * c[0], (1 - z[1]) * b + z[1] * c[1]]
    found_BLD, last_BD = gru(value_BLD)
    torch.testing.assert_close(found_BLD, torch.tensor([[first, second]], dtype=torch.double))
    torch.testing.assert_close(last_BD, found_BLD[:, 1])


def loop(value_BLD: Tensor, input_ED: Tensor, state_ED: Tensor) -> Tensor:
    """Eq. 21 written out."""
    (wz, wr, wc), (uz, ur, uc) = input_ED.chunk(3), state_ED.chunk(3)
    before_BD, found = torch.zeros_like(value_BLD[:, 0]), []
    for x in value_BLD.unbind(1):
        z = torch.sigmoid(x @ wz.T + before_BD @ uz.T)
        r = torch.sigmoid(x @ wr.T + before_BD @ ur.T)
        c = torch.tanh(x @ wc.T + (r * before_BD) @ uc.T)
        before_BD = (1 - z) * before_BD + z * c
        found.append(before_BD)
    return torch.stack(found, 1)


def test_it_is_the_plain_loop_forth_and_back() -> None:
    gru = made(5)
    value_BLD = torch.randn(3, 6, 5, dtype=torch.double, requires_grad=True)
    weight_BLD = torch.randn(3, 6, 5, dtype=torch.double)
    given = (value_BLD, gru.input_ED, gru.state_ED)
    expected_BLD, found_BLD = loop(*given), gru(value_BLD)[0]
    torch.testing.assert_close(found_BLD, expected_BLD)
    pairs = [torch.autograd.grad((made_BLD * weight_BLD).sum(), given) for made_BLD in (found_BLD, expected_BLD)]
    for own, other in zip(*pairs, strict=True):
        torch.testing.assert_close(own, other)


def test_its_gradients_are_those_of_finite_differences() -> None:
    gru = made(3)
    value_BLD = torch.randn(2, 4, 3, dtype=torch.double, requires_grad=True)

    def run(value_BLD: Tensor, input_ED: Tensor, state_ED: Tensor) -> tuple[Tensor, Tensor]:
        given = {"input_ED": input_ED, "state_ED": state_ED}
        return torch.func.functional_call(gru, given, (value_BLD,))

    assert torch.autograd.gradcheck(run, (value_BLD, gru.input_ED, gru.state_ED))


def mapped(gru: PaperGRU, dim: int) -> nn.GRU:
    """torch's with the same weights: its gates stand as r, z, n, and its z is 1 less ours."""
    other = nn.GRU(dim, dim, batch_first=True, bias=False).double()
    with torch.no_grad():
        for own, theirs in ((gru.input_ED, other.weight_ih_l0), (gru.state_ED, other.weight_hh_l0)):
            update_DD, reset_DD, able_DD = own.chunk(3)
            theirs.copy_(torch.cat([reset_DD, -update_DD, able_DD]))
    return other


@pytest.mark.parametrize("mixed", [False, True])
def test_it_is_torch_s_where_no_unit_is_mixed_after_the_reset(mixed: bool) -> None:
    """r ⊙ (U h) is U (r ⊙ h) where U is diagonal, and only there."""
    gru = made(4)
    if not mixed:
        with torch.no_grad():
            gru.state_ED[8:] = torch.diag(torch.randn(4, dtype=torch.double))
    value_BLD = torch.randn(3, 7, 4, dtype=torch.double)
    apart = (gru(value_BLD)[0] - mapped(gru, 4)(value_BLD)[0]).abs().amax((0, 2))
    assert apart[0] < 1e-12  # from zero both are one
    assert (apart[1:] > 1e-4).all() if mixed else apart.max() < 1e-12


def test_rows_of_no_steps_have_no_states() -> None:
    state_BLD, last_BD = made(3)(torch.zeros(2, 0, 3, dtype=torch.double))
    assert state_BLD.shape == (2, 0, 3)
    assert torch.equal(last_BD, torch.zeros(2, 3, dtype=torch.double))


def test_the_recurrence_stays_in_32_bits_under_autocast() -> None:
    gru = made(8).float()
    value_BLD = torch.randn(2, 50, 8, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        found_BLD = gru(value_BLD)[0]
    assert found_BLD.dtype == torch.float32
    found_BLD.sum().backward()
    assert gru.state_ED.grad is not None
    assert (found_BLD - gru(value_BLD)[0]).abs().max() < 0.05
