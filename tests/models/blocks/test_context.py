"""Ante-RNN eq. 15-20 beside plain loops."""

import math

import pytest
import torch
from torch import Tensor

from models.blocks.context import ContextAttention, ContextMean, NoContext, over_history, windows

B, L, D, W = 2, 6, 4, 3
HOUR = 3600


def rows() -> tuple[Tensor, Tensor, Tensor]:
    """Two rows of 6 and 4 events with times."""
    torch.manual_seed(0)
    valid_BL = torch.arange(L) < torch.tensor([6, 4])[:, None]
    time_BL = 1_600_000_000 + (torch.rand(B, L) * 90 * HOUR).long().cumsum(1)
    return torch.randn(B, L, D) * valid_BL[..., None], valid_BL, time_BL * valid_BL


def part(
    transform: str = "linear", times: tuple[str, ...] = ("hour_of_week", "gap"), window: int = W
) -> ContextAttention:
    torch.manual_seed(1)
    model = ContextAttention(D, window, times, transform)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return model


def by_loops(model: ContextAttention, item_LD: Tensor, time_L: list[int], t: int) -> tuple[list[float], Tensor]:
    """Eq. 16-20 at one position: one-hot vectors, W_f, the concatenation, G whole."""
    factors = model.factors
    tables = dict(factors.tables.items()) if factors is not None else {}
    logits, some = [], range(max(t - model.window + 1, 0), t + 1)
    for j in some:
        slots = {
            "hour_of_week": (time_L[j] // HOUR + 72) % 168,
            "gap": min((time_L[t] - time_L[j]) // HOUR, 168),
        }
        one_hot = torch.cat([torch.nn.functional.one_hot(torch.tensor(slots[name]), 169).float() for name in tables])
        weight = torch.cat([table.T for table in tables.values()], 1)
        star_D = weight @ one_hot
        if factors is not None and factors.bias is not None:
            star_D = torch.sigmoid(star_D + factors.bias)
        assert factors is not None
        first = torch.cat([factors.first.weight, model.item.weight], 1)
        hidden = (first @ torch.cat([star_D, item_LD[j]]) + model.item.bias).clamp(min=0)
        logits.append((model.out.weight[0] @ hidden).item())
    total = sum(math.exp(x) for x in logits)
    share = [math.exp(x) / total for x in logits]
    return share, sum((a * item_LD[j] for a, j in zip(share, some, strict=True)), torch.zeros(D))


@pytest.mark.parametrize("transform", ["linear", "sigmoid"])
@pytest.mark.parametrize("times", [("hour_of_week", "gap"), ("gap",), ("hour_of_week",)])
def test_equations_16_to_20_beside_loops(transform: str, times: tuple[str, ...]) -> None:
    item_BLD, valid_BL, time_BL = rows()
    model = part(transform, times)
    interest_BLD, share_BLW = model(item_BLD, valid_BL, time_BL)
    for b in range(B):
        for t in range(int(valid_BL[b].sum())):
            share, interest_D = by_loops(model, item_BLD[b], time_BL[b].tolist(), t)
            torch.testing.assert_close(share_BLW[b, t], torch.tensor([0.0] * (W - len(share)) + share))
            torch.testing.assert_close(interest_BLD[b, t], interest_D)


def test_the_other_factor_does_not_matter() -> None:
    item_BLD, valid_BL, time_BL = rows()
    week = part(times=("hour_of_week",))
    spread_BL = time_BL + 168 * HOUR * torch.arange(L)
    assert torch.equal(week(item_BLD, valid_BL, time_BL)[1], week(item_BLD, valid_BL, spread_BL)[1])
    gap = part(times=("gap",))
    assert torch.equal(gap(item_BLD, valid_BL, time_BL)[1], gap(item_BLD, valid_BL, time_BL + 5 * HOUR)[1])
    for model, moved_BL in ((week, time_BL + 5 * HOUR), (gap, spread_BL)):
        assert (model(item_BLD, valid_BL, time_BL)[1] - model(item_BLD, valid_BL, moved_BL)[1]).abs().max() > 1e-3


@pytest.mark.parametrize("transform", ["linear", "sigmoid"])
def test_a_week_later_is_the_same(transform: str) -> None:
    item_BLD, valid_BL, time_BL = rows()
    model = part(transform)
    assert torch.equal(model(item_BLD, valid_BL, time_BL)[0], model(item_BLD, valid_BL, time_BL + 168 * HOUR)[0])


def test_a_window_of_one_is_no_context() -> None:
    item_BLD, valid_BL, time_BL = rows()
    expected_BLD, _ = NoContext()(item_BLD, valid_BL, time_BL)
    torch.testing.assert_close(part(window=1)(item_BLD, valid_BL, time_BL)[0], expected_BLD)
    torch.testing.assert_close(ContextMean(1)(item_BLD, valid_BL, time_BL)[0], expected_BLD)


def test_equation_15() -> None:
    item_BLD, valid_BL, time_BL = rows()
    found_BLD, _ = ContextMean(W)(item_BLD, valid_BL, time_BL)
    torch.testing.assert_close(found_BLD[0, 1], item_BLD[0, :2].mean(0))
    torch.testing.assert_close(found_BLD[0, 5], item_BLD[0, 3:].mean(0))
    attended = part(times=())
    torch.nn.init.zeros_(attended.out.weight)
    torch.testing.assert_close(attended(item_BLD, valid_BL, None)[0][valid_BL], found_BLD[valid_BL])


@pytest.mark.parametrize("model", [part(), part("sigmoid"), ContextMean(W), NoContext()])
def test_a_position_does_not_see_what_follows(model: torch.nn.Module) -> None:
    item_BLD, valid_BL, time_BL = rows()
    before_BLD = model(item_BLD, valid_BL, time_BL)[0]
    later_L1 = (torch.arange(L) >= 3)[:, None]
    after_BLD = model(item_BLD + later_L1, valid_BL, time_BL + 7 * HOUR * later_L1[:, 0])[0]
    assert torch.equal(before_BLD[:, :3], after_BLD[:, :3])
    assert (before_BLD[0, 3:] - after_BLD[0, 3:]).abs().min() > 1e-4


def test_windows_end_at_their_position() -> None:
    found = windows(torch.tensor([[1, 2, 3, 4]]), 3)
    assert found.tolist() == [[[0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4]]]
    value_BLD = torch.randn(2, 4, 5)
    assert torch.equal(windows(value_BLD, 3)[1, 3], value_BLD[1, 1:])
    assert torch.equal(windows(value_BLD, 3)[1, 0], torch.cat([torch.zeros(2, 5), value_BLD[1, :1]]))


def test_the_last_window_lies_at_the_end_of_the_row() -> None:
    share_BW = torch.tensor([[0.2, 0.3, 0.5], [0.0, 0.4, 0.6], [0.0, 0.0, 0.0]])
    found_BL = over_history(share_BW, torch.tensor([4, 2, 0]), 5)
    assert found_BL.tolist() == torch.tensor([[0, 0.2, 0.3, 0.5, 0], [0.4, 0.6, 0, 0, 0], [0.0] * 5]).tolist()
