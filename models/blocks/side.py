"""One side of a pair: its history read by a recurrence whose steps are gated by what both sides say of them."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from models.blocks.gated import Activation, influence, recur
from models.blocks.packed import Layout

Gate = Literal["interacting", "own", "none"]


@dataclass(frozen=True)
class Read:
    """Rows as they are read without a partner.

    own_XF: what a step's surroundings say of it; drive_XH: what it would bring to the state; summary_BS: the row from
    both ends, for the partner's gates. None where the gates do not ask.
    """

    layout: Layout
    drive_XH: Tensor
    own_XF: Tensor | None = None
    summary_BS: Tensor | None = None


@dataclass(frozen=True)
class Met:
    """Pairs after their steps were gated: the last states, last_PH, and gate_X of the pairs' own layout."""

    last_PH: Tensor
    layout: Layout
    gate_X: Tensor | None

    def weights(self, width: int) -> tuple[Tensor, Tensor, Tensor]:
        """influence_PL of each step on the last state, gate_PL, valid_PL."""
        assert self.gate_X is not None
        kept_X = influence(self.gate_X, self.layout.sizes)
        valid_X = torch.ones_like(self.gate_X, dtype=torch.bool)
        found = [self.layout.spread(value_X, width) for value_X in (kept_X, self.gate_X, valid_X)]
        return found[0], found[1], found[2]


class Side(nn.Module):
    """Eq. 2-9 of one side. `width`: of an input; `inner`: of the fusion layer; `scale`, `summary`: factors of a gate's
    logit and of the partner's summary.
    """

    def __init__(self, width: int, hidden: int, inner: int, gate: Gate, activation: Activation):
        super().__init__()
        self.gate, self.activation, self.hidden = gate, activation, hidden
        ways = 1 if gate == "none" else 3
        self.input = nn.Linear(width, ways * hidden)
        self.weight_WHH = nn.Parameter(
            torch.stack([nn.init.orthogonal_(torch.empty(hidden, hidden)) for _ in range(ways)])
        )
        if gate != "none":
            self.own = nn.Linear(2 * hidden, inner)
            self.vote = nn.Linear(inner, 1)
        if gate == "interacting":
            self.cross = nn.Linear(2 * hidden, inner, bias=False)

    def forward(self, value_XD: Tensor, layout: Layout) -> Read:
        """Read rows by themselves."""
        parts = zip(*(torch.split(p, self.hidden) for p in (self.input.weight, self.input.bias)), strict=True)
        drives = [F.linear(value_XD, weight_HD, bias_H) for weight_HD, bias_H in parts]
        if self.gate == "none":
            return Read(layout, drives[0])
        forth_XH, back_XH = (
            recur(drives[way], self.weight_WHH[way], None, layout.sizes, way == 2, self.activation) for way in (1, 2)
        )
        summary_BS = torch.cat([layout.last(forth_XH), layout.first(back_XH)], 1)
        forth_FH, back_FH = torch.split(self.own.weight, self.hidden, dim=1)
        own_XF = torch.addmm(F.linear(forth_XH, forth_FH, self.own.bias), back_XH, back_FH.t())
        return Read(layout, drives[0], own_XF, summary_BS)

    def meet(self, read: Read, partner_PS: Tensor | None, row_P: Tensor | None, scale: float = 1.0) -> Met:
        """The states after the rows of pairs (None: each row once) when they meet partners, by their summaries."""
        layout, drive_XH, own_XF = read.layout, read.drive_XH, read.own_XF
        if row_P is not None:
            layout = Layout(read.layout.length_B[row_P])
            place_X = read.layout.at(row_P[layout.row_X], layout.step_X)
            drive_XH = drive_XH[place_X]
            own_XF = None if own_XF is None else own_XF[place_X]
        gate_X = None
        if own_XF is not None:
            if self.gate == "interacting":
                own_XF = own_XF + self.cross(partner_PS)[layout.row_X]
            gate_X = torch.sigmoid(scale * self.vote(torch.tanh(own_XF))[:, 0])
        state_XH = recur(drive_XH, self.weight_WHH[0], gate_X, layout.sizes)
        return Met(layout.last(state_XH), layout, gate_X)


class LSTMSide(nn.Module):
    """The same ends with an LSTM between: gates a channel, which nobody reads."""

    gate: Gate = "none"

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.lstm = nn.LSTM(width, hidden)

    def forward(self, value_XD: Tensor, layout: Layout) -> Read:
        """Read rows by themselves."""
        if not layout.sizes:
            return Read(layout, value_XD.new_zeros(0, self.lstm.hidden_size))
        packed = PackedSequence(value_XD, torch.tensor(layout.sizes))
        return Read(layout, self.lstm(packed)[0].data)

    def meet(self, read: Read, partner_PS: Tensor | None, row_P: Tensor | None, scale: float = 1.0) -> Met:
        """The last states; no partner changes them."""
        last_BH = read.layout.last(read.drive_XH)
        return Met(last_BH if row_P is None else last_BH[row_P], read.layout, None)
