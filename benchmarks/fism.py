"""An epoch of fism by the sums of its histories beside the same epoch in two explicit forms, in the engine's own steps.

    python -m benchmarks.fism [FOLDER] [--users 6040 --items 3706 --events 994169] [--dim 64] [--cpu] …

FOLDER: a MovieLens release; else ids are drawn in the shape of MovieLens-1M. Each person's whole set is learnt from, as
in the papers. `gathered` reads the equation as it is printed: the vectors of the history are gathered for each target
and added (a tensor of pairs × width). `pair by pair` is the kernel that nais and iris run, its attention without a
width: compiled, one pass for loss and gradients, no tensor of pairs. All take the same steps in turn: windows,
negatives, loss, gradients, Adam. Of the explicit forms only steps of `--pairs` pairs in all are run, drawn at random,
and the epoch is theirs by the number of pairs; sums run the whole epoch. The greatest difference of losses is told.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, embedding

import models
from benchmarks.alternation import circumstances
from benchmarks.clicks import about, clicks
from benchmarks.iris import drawn
from engine.tables.settings import Choice
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.interactions import Interactions
from engine.training.steps import Steps
from models.blocks import history
from models.blocks.asked import Asked, History
from models.fism import FISM

FLOATS = 1 << 22  # of gathered vectors at a time


@dataclass
class Taken:
    """Seconds of the loss with its gradients and the optimiser's step, in all, and of what they were."""

    sums: float = 0.0
    around: float = 0.0
    whole: int = 0
    explicit: dict[str, float] = field(default_factory=lambda: dict.fromkeys(EXPLICIT, 0.0))
    paired: int = 0
    apart: list[float] = field(default_factory=list)

    @property
    def epoch(self) -> float:
        """Seconds of an epoch by sums, with its windows and negatives."""
        return self.sums + self.around

    def slow_epoch(self, form: str) -> float:
        """Of an explicit form: as many pairs as there are, at the pace of those that were run."""
        return self.explicit[form] * self.whole / max(self.paired, 1) + self.around


def built(train: Interactions, dim: int, alpha: float) -> FISM:
    """The model, as params has it but for these, learning from sets."""
    torch.manual_seed(1)
    settings = {"dim": dim, "alpha": alpha, "history": "others", "length": int(train.offset_U.diff().max())}
    model = models.build(Choice(name="fism", settings=settings), Catalog(train.items), train.users)
    assert isinstance(model, FISM)
    with torch.no_grad():  # as large as learnt ones, so that the forms' losses would show a difference
        model.past_ND.mul_(10)
        model.target_ND.mul_(10)
    return model


def gathered(model: FISM, batch: Batch) -> Tensor:
    """The same loss from the vectors of each target's history, row after row."""
    asked, label_BT = Asked.learnt(batch, History(history="others"))
    total = model.past_ND.new_zeros(())
    for row, length in enumerate(batch.length_B.tolist()):
        target_T, item_L = asked.target_BT[row], asked.item_BL[row, :length]
        for some_C in torch.split((target_T > 0).nonzero()[:, 0], max(1, FLOATS // max(length * model.config.dim, 1))):
            kept_CL = item_L != target_T[some_C, None]
            past_CLD = embedding(torch.where(kept_CL, item_L, 0), model.past_ND) * kept_CL[..., None]
            sum_CD = past_CLD.sum(1) / kept_CL.sum(1, keepdim=True).clamp(min=1) ** model.config.alpha
            score_C = (sum_CD * model.target_ND[target_T[some_C]]).sum(1) + model.bias_N[target_T[some_C]]
            total = total + binary_cross_entropy_with_logits(score_C, label_BT[row, some_C], reduction="sum")
    return total / label_BT.sum().clamp(min=1) + penalty(model)


def penalty(model: FISM) -> Tensor:
    """On the squares of both tables."""
    return model.config.regularisation * (model.past_ND.square().sum() + model.target_ND.square().sum())


def by_pairs(model: FISM, batch: Batch) -> Tensor:
    """The same loss by the kernel of pairs."""
    asked, label_BT = Asked.learnt(batch, History(history="others"))
    none_N0 = model.past_ND.new_zeros(len(model.past_ND), 0)
    even = history.Halves(none_N0, none_N0, model.past_ND.new_zeros(0))
    items = history.Items(model.past_ND, model.target_ND, even, model.bias_N)
    return history.log_loss(items, asked, label_BT, model.config.alpha, 0.0) + penalty(model)


EXPLICIT: dict[str, Callable[[FISM, Batch], Tensor]] = {"pair by pair, compiled": by_pairs, "gathered": gathered}


def stepped(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def epoch(train: Interactions, model: FISM, rows: int, seed: int) -> Iterator[Batch]:
    """The batches of an epoch."""
    for batch, _ in Steps(train, model.needs, rows).epoch(torch.Generator().manual_seed(seed)):
        yield batch


def measured(train: Interactions, model: FISM, rows: int, pairs: float, clock: Callable[[], float]) -> Taken:
    """An epoch by sums; of the slow form steps of so many pairs, the same ones in the same state. Warmed before."""
    taken = Taken()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    first = next(epoch(train, model, 2, 0))
    for loss in (model.loss(first), *(form(model, first) for form in EXPLICIT.values())):
        loss.backward()  # type: ignore[no-untyped-call]
    model.zero_grad()
    batches = epoch(train, model, rows, 1)
    started = clock()
    for batch in batches:
        asked = (batch.length_B**2).sum().item() * (1 + model.config.negatives)
        ready = clock()
        taken.around += ready - started
        taken.whole += int(asked)
        slow = taken.paired + asked <= max(pairs, 1) or not taken.paired
        losses = []
        for name, form in EXPLICIT.items() if slow else ():
            ready = clock()
            other = form(model, batch)
            other.backward()  # type: ignore[no-untyped-call]
            losses.append(float(other.detach()))
            model.zero_grad(set_to_none=True)
            taken.explicit[name] += clock() - ready
        taken.paired += int(asked) if slow else 0
        ready = clock()
        loss = model.loss(batch)
        stepped(loss, optimizer)
        taken.sums += clock() - ready
        taken.apart += [abs(float(loss.detach()) - other) / other for other in losses]
        started = clock()
    return taken


def told(train: Interactions, taken: Taken, dim: int) -> None:
    """A table, and what was run."""
    table = Table("form", "s an epoch", "times", title=f"{about(train)}, dim {dim}")
    table.add_row("by sums", f"{taken.epoch:.2f}", "1")
    for form in EXPLICIT:
        slow = taken.slow_epoch(form)
        table.add_row(form, f"{slow:.1f}", f"{slow / taken.epoch:.0f}")
    Console(width=100).print(table)
    print(
        f"{taken.whole:,} pairs an epoch, {taken.paired:,} of them run; of the epoch by sums {taken.around:.2f} s are"
    )
    print(f"windows and negatives; losses differ by {max(taken.apart):.1e} at most. {circumstances(1)}")


def main(arguments: list[str] | None = None) -> Taken:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="a MovieLens release with ratings.csv")
    for name, value in (("users", 6040), ("items", 3706), ("events", 994_169), ("dim", 64), ("rows", 64)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--alpha", type=float, default=0.5)
    parser.add_argument("--pairs", type=float, default=1.5e8, help="of the explicit forms to run")
    parser.add_argument("--cpu", action="store_true", help="seconds of the processor, not of the wall: a busy machine")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    train = clicks(asked.folder) if asked.folder else drawn(asked.users, asked.items, asked.events)
    model, clock = built(train, asked.dim, asked.alpha), time.process_time if asked.cpu else time.perf_counter
    taken = measured(train, model, asked.rows, asked.pairs, clock)
    told(train, taken, asked.dim)
    return taken


if __name__ == "__main__":
    main()
