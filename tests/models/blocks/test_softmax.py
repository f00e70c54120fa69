"""Three ways to the same cross-entropy."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.training.batch import Batch
from models.blocks import softmax
from models.blocks.softmax import LOSSES, chunked, full, sampled


def problem(positions: int = 40, items: int = 30, width: int = 6) -> tuple[Tensor, Tensor, Tensor, Batch]:
    torch.manual_seed(0)
    state_PD = torch.randn(positions, width, requires_grad=True)
    weight_ID = torch.randn(items, width, requires_grad=True)
    target_P = torch.randint(1, items + 1, (positions,))
    batch = Batch(target_P, target_P, target_P, target_P)
    return state_PD, weight_ID, target_P, batch


def all_of_it(items: int, batch: Batch) -> Batch:
    """Every item drawn, each expected once."""
    return batch.but(shared_S=torch.arange(1, items + 1), expected_S=torch.zeros(items))


def test_full_by_hand() -> None:
    state_PD, weight_ID = torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0, 5.0], [0.0, 1.0], [1.0, 1.0]])
    found = full(state_PD, weight_ID, torch.tensor([3]), problem()[3])
    assert found.item() == pytest.approx(-math.log(math.e / (math.e**2 + 1 + math.e)))


@pytest.mark.parametrize("rows", [1, 7, 40, 1000])
def test_chunked_has_the_value_and_the_gradients_of_full(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(softmax.LOGITS, "cpu", 0)
    monkeypatch.setattr(softmax, "ROWS", rows)
    state_PD, weight_ID, target_P, batch = problem()
    expected = full(state_PD, weight_ID, target_P, batch)
    whole = torch.autograd.grad(3 * expected, [state_PD, weight_ID])
    found = chunked(state_PD, weight_ID, target_P, batch)
    parts = torch.autograd.grad(3 * found, [state_PD, weight_ID])
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(parts, whole)


def test_sampled_is_full_where_everything_is_drawn() -> None:
    state_PD, weight_ID, target_P, batch = problem()
    found = sampled(state_PD, weight_ID, target_P, all_of_it(30, batch))
    torch.testing.assert_close(found, full(state_PD, weight_ID, target_P, batch))


def test_the_sampled_denominator_is_right_on_average() -> None:
    """The mean over draws of exp(loss) is that of the full softmax (the loss itself is a log of an estimate)."""
    state_PD, weight_ID, target_P, batch = problem(positions=5)
    state_PD = state_PD.detach() * 0.5
    share_I = torch.rand(30) + 0.2
    share_I /= share_I.sum()
    exact_P = F.cross_entropy(state_PD @ weight_ID.T, target_P - 1, reduction="none").exp()
    generator = torch.Generator().manual_seed(1)
    for place in range(5):
        one = slice(place, place + 1)
        draws = []
        for _ in range(800):
            item_S = torch.multinomial(share_I, 20, replacement=True, generator=generator)
            given = batch.but(shared_S=item_S + 1, expected_S=(20 * share_I[item_S]).log())
            draws.append(sampled(state_PD[one], weight_ID.detach(), target_P[one], given).exp())
        assert torch.stack(draws).mean().item() == pytest.approx(exact_P[place].item(), rel=0.08)


def test_a_draw_of_the_target_itself_is_left_out() -> None:
    state_PD, weight_ID, target_P, batch = problem(positions=1)
    drawn = batch.but(shared_S=target_P, expected_S=torch.zeros(1))
    assert sampled(state_PD, weight_ID, target_P, drawn).item() == pytest.approx(0.0, abs=1e-6)


def test_sampled_needs_draws() -> None:
    with pytest.raises(ValueError, match="shared items"):
        sampled(*problem())


def test_logits_in_16_bits_lose_nothing_but_their_own_precision() -> None:
    state_PD, weight_ID, target_P, batch = problem()
    half = (state_PD.detach().bfloat16().requires_grad_(), weight_ID.detach().bfloat16().requires_grad_())
    for name in ("full", "chunked"):
        loss = LOSSES[name](half[0], half[1], target_P, batch)
        loss.backward()
        assert loss.dtype == torch.float32
        torch.testing.assert_close(loss, full(state_PD, weight_ID, target_P, batch), rtol=0.02, atol=0.02)


def test_the_chunked_loss_is_cast_where_all_is() -> None:
    state_PD, weight_ID, target_P, batch = problem()
    with torch.autocast("cpu", torch.bfloat16):
        loss = chunked(state_PD, weight_ID, target_P, batch)
    loss.backward()
    assert loss.dtype == torch.float32
    whole = full(state_PD, weight_ID, target_P, batch)
    assert loss != whole  # the products were rounded
    torch.testing.assert_close(loss, whole, rtol=0.02, atol=0.02)
    assert state_PD.grad is not None
    assert bool(state_PD.grad.isfinite().all())
