"""A recurrence with one gate a step over packed rows, its gradients written out."""

from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

Activation = Literal["relu", "softplus", "tanh"]
SHARP = 5.0  # the softplus of the authors' code


def recur(
    input_XH: Tensor,
    weight_HH: Tensor,
    gate_X: Tensor | None,
    sizes: list[int],
    reverse: bool = False,
    activation: Activation = "relu",
) -> Tensor:
    """state_XH, from zero: state = (1 - gate) · before + gate · g(W before + input); without gates they are 1.

    Rows are packed as in `Layout`; `reverse` runs each from its last step to its first.
    """
    gate_X = None if gate_X is None else gate_X.to(weight_HH.dtype)
    with torch.autocast(input_XH.device.type, enabled=False):  # a recurrence adds up what few bits lose
        state_XH: Tensor = _Recurrence.apply(  # type: ignore[no-untyped-call]
            input_XH.to(weight_HH.dtype), weight_HH, gate_X, sizes, reverse, activation
        )
    return state_XH


def influence(gate_X: Tensor, sizes: list[int]) -> Tensor:
    """The share of each step's candidate in its row's last state: gate_t · prod over s > t of (1 - gate_s)."""
    found_X = torch.empty_like(gate_X)
    left = gate_X.new_ones(sizes[0] if sizes else 0)  # of a row that has not begun to be walked back, 1
    stop = len(gate_X)
    for size in reversed(sizes):
        part = slice(stop - size, stop)
        found_X[part] = gate_X[part] * left[:size]
        left[:size] = left[:size] * (1 - gate_X[part])
        stop -= size
    return found_X


def _active(value: Tensor, activation: Activation) -> Tensor:
    if activation == "relu":
        return value.relu_()
    if activation == "tanh":
        return value.tanh_()
    return value.copy_(torch.nn.functional.softplus(value, beta=SHARP))


def _slope(grad: Tensor, active: Tensor, activation: Activation, out: Tensor) -> None:
    """The gradient times the derivative, which follows from the value."""
    if activation == "relu":
        torch.ops.aten.threshold_backward.grad_input(grad, active, 0, grad_input=out)
    elif activation == "tanh":
        torch.ops.aten.tanh_backward.grad_input(grad, active, grad_input=out)
    else:
        torch.mul(grad, -torch.expm1(-SHARP * active), out=out)


def _walk(sizes: list[int], reverse: bool) -> list[tuple[slice, slice, int]]:
    """For each step in order: its places, the places of the states before it, and how many rows have one."""
    starts = [0]
    for size in sizes:
        starts.append(starts[-1] + size)
    order = range(len(sizes) - 1, -1, -1) if reverse else range(len(sizes))
    found = []
    for step in order:
        other = step + 1 if reverse else step - 1
        met = min(sizes[step], sizes[other]) if 0 <= other < len(sizes) else 0
        begin = starts[other] if met else 0
        found.append((slice(starts[step], starts[step + 1]), slice(begin, begin + met), met))
    return found


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        input_XH: Tensor,
        weight_HH: Tensor,
        gate_X: Tensor | None,
        sizes: list[int],
        reverse: bool,
        activation: Activation,
    ) -> Tensor:
        """The states; what was a candidate is kept."""
        able_XH = input_XH.clone()
        state_XH = able_XH if gate_X is None else torch.empty_like(input_XH)
        # what was before each step is kept for the gradients alone
        before_XH = torch.empty_like(input_XH) if gate_X is not None and any(ctx.needs_input_grad) else None
        turned_HH = weight_HH.t()
        for here, there, met in _walk(sizes, reverse):
            able = able_XH[here]
            if met:
                able[:met].addmm_(state_XH[there], turned_HH)
            _active(able, activation)
            if gate_X is not None:
                state, gate = state_XH[here], gate_X[here, None]
                torch.lerp(state_XH[there], able[:met], gate[:met], out=state[:met])
                torch.mul(able[met:], gate[met:], out=state[met:])
                if before_XH is not None:
                    before_XH[here][:met] = state_XH[there]
                    before_XH[here][met:] = 0
        ctx.save_for_backward(weight_HH, gate_X, able_XH, before_XH)
        ctx.walk, ctx.activation = _walk(sizes, reverse), activation
        return state_XH

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: FunctionCtx, grad_XH: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of inputs, weights and gates."""
        weight_HH, gate_X, able_XH, before_XH = ctx.saved_tensors  # type: ignore[attr-defined]
        full_XH, input_XH = grad_XH.clone(), torch.empty_like(grad_XH)
        weight_grad_HH = torch.zeros_like(weight_HH)
        for here, there, met in reversed(ctx.walk):  # type: ignore[attr-defined]
            full, part = full_XH[here], input_XH[here]
            passed = full if gate_X is None else full * gate_X[here, None]
            _slope(passed, able_XH[here], ctx.activation, part)  # type: ignore[attr-defined]
            if met:
                back = full_XH[there]
                if gate_X is None:
                    weight_grad_HH.addmm_(part[:met].t(), able_XH[there])
                else:
                    back.add_(full[:met]).sub_(passed[:met])
                back.addmm_(part[:met], weight_HH)
        if gate_X is None or before_XH is None:
            return input_XH, weight_grad_HH, None, None, None, None
        gate = (full_XH * (able_XH - before_XH)).sum(1)
        return input_XH, input_XH.t() @ before_XH, gate, None, None, None
