"""The recurrence over packed rows against a plain loop, its written gradients against finite differences."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from models.blocks.gated import Activation, influence, recur
from models.blocks.packed import Layout

lengths = st.lists(st.integers(0, 6), min_size=1, max_size=5)


ACTIVE = {"relu": torch.relu, "tanh": torch.tanh, "softplus": lambda value: F.softplus(value, beta=5)}


def drawn(layout: Layout, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = ((len(layout.row_X), 3), (3, 3))
    values = [torch.randn(shape, generator=generator, dtype=torch.double, requires_grad=True) for shape in shapes]
    gate_X = torch.rand(len(layout.row_X), generator=generator, dtype=torch.double).requires_grad_()
    return values[0], values[1], gate_X


@given(lengths, st.booleans(), st.sampled_from(["relu", "softplus", "tanh"]), st.booleans())
@settings(deadline=None, max_examples=40)
def test_it_is_the_plain_loop(length: list[int], reverse: bool, activation: Activation, gated: bool) -> None:
    layout = Layout(torch.tensor(length))
    input_XH, weight_HH, gate_X = drawn(layout, sum(length))
    found_XH = recur(input_XH, weight_HH, gate_X if gated else None, layout.sizes, reverse, activation)
    for row, steps in enumerate(length):
        state_H = torch.zeros(3, dtype=torch.double)
        share = torch.zeros(steps, dtype=torch.double)
        for t in range(steps - 1, -1, -1) if reverse else range(steps):
            place = int(layout.at(torch.tensor(row), torch.tensor(t)))
            value_H = weight_HH @ state_H + input_XH[place]
            able_H = ACTIVE[activation](value_H)
            gate = gate_X[place] if gated else torch.ones(())
            state_H = (1 - gate) * state_H + gate * able_H
            share = share * (1 - gate)
            share[t] = gate
            torch.testing.assert_close(found_XH[place], state_H)
        if gated and not reverse:
            kept_BL = layout.spread(influence(gate_X.detach(), layout.sizes), max(*length, 1, 1))
            torch.testing.assert_close(kept_BL[row, :steps], share.detach())


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("activation", ["relu", "softplus", "tanh"])
@pytest.mark.parametrize("gated", [False, True])
def test_its_gradients_are_those_of_finite_differences(reverse: bool, activation: Activation, gated: bool) -> None:
    layout = Layout(torch.tensor([3, 0, 5, 1]))
    input_XH, weight_HH, gate_X = drawn(layout, 3)

    def run(*given: Tensor) -> Tensor:
        return recur(given[0], given[1], given[2] if gated else None, layout.sizes, reverse, activation)

    assert torch.autograd.gradcheck(run, (input_XH, weight_HH, gate_X) if gated else (input_XH, weight_HH))


@given(lengths)
@settings(deadline=None, max_examples=40)
def test_packed_rows_are_found_again(length: list[int]) -> None:
    layout = Layout(torch.tensor(length))
    value_X1 = (10.0 * layout.row_X + layout.step_X + 1)[:, None]
    wide_BL1 = layout.spread(value_X1, 7)
    for row, steps in enumerate(length):
        assert wide_BL1[row, :, 0].tolist() == [10 * row + t + 1 for t in range(steps)] + [0] * (7 - steps)
        assert layout.last(value_X1)[row].item() == (10 * row + steps if steps else 0)
        assert layout.first(value_X1)[row].item() == (10 * row + 1 if steps else 0)
