"""A recurrence with one gate a step, over packed rows, its gradients written out: one product for all steps' weights."""

from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

Activation = Literal["relu", "softplus"]
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
    state_XH: Tensor = _Recurrence.apply(input_XH, weight_HH, gate_X, sizes, reverse, activation)  # type: ignore[no-untyped-call]
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
    return value.copy_(torch.nn.functional.softplus(value, beta=SHARP))


def _slope(active: Tensor, activation: Activation) -> Tensor:
    """The derivative, from the value."""
    return (active > 0).to(active.dtype) if activation == "relu" else -torch.expm1(-SHARP * active)


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
        before_XH = torch.zeros_like(input_XH)
        turned_HH = weight_HH.t()
        for here, there, met in _walk(sizes, reverse):
            able = able_XH[here]
            if met:
                before_XH[here][:met] = state_XH[there]
                able[:met].addmm_(state_XH[there], turned_HH)
            _active(able, activation)
            if gate_X is not None:
                torch.lerp(before_XH[here], able, gate_X[here, None], out=state_XH[here])
        ctx.save_for_backward(weight_HH, gate_X, able_XH, before_XH)
        ctx.walk, ctx.activation = _walk(sizes, reverse), activation
        return state_XH

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: FunctionCtx, grad_XH: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of inputs, weights and gates."""
        weight_HH, gate_X, able_XH, before_XH = ctx.saved_tensors  # type: ignore[attr-defined]
        slope_XH = _slope(able_XH, ctx.activation)  # type: ignore[attr-defined]
        keep_X1 = None if gate_X is None else (1 - gate_X)[:, None]
        slope_XH = slope_XH if gate_X is None else slope_XH.mul_(gate_X[:, None])
        full_XH, input_XH = grad_XH.clone(), torch.empty_like(grad_XH)
        for here, there, met in reversed(ctx.walk):  # type: ignore[attr-defined]
            torch.mul(full_XH[here], slope_XH[here], out=input_XH[here])
            if met:
                back = full_XH[there]
                if keep_X1 is not None:
                    back.addcmul_(full_XH[here][:met], keep_X1[here][:met])
                back.addmm_(input_XH[here][:met], weight_HH)
        gate = (full_XH * (able_XH - before_XH)).sum(1) if ctx.needs_input_grad[2] else None  # type: ignore[attr-defined]
        return input_XH, input_XH.t() @ before_XH, gate, None, None, None
