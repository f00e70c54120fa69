"""An epoch of fism by the sums of its histories beside the same epoch pair by pair, in the engine's own steps.

    python -m benchmarks.fism [FOLDER] [--users 6040 --items 3706 --events 994169] [--dim 64] [--cpu] …

FOLDER: a MovieLens release; else ids are drawn in the shape of MovieLens-1M. Each person's whole set is learnt from, as
in the papers. `pairs` is the kernel that nais and iris run, its attention without a width: compiled, one pass for loss
and gradients, no tensor of pairs. Both take the same steps in turn: windows, negatives, loss, gradients, Adam. Of the
slow form only steps of `--pairs` pairs in all are run, drawn at random, and the epoch is theirs by the number of pairs;
the fast form runs its whole epoch. The greatest difference of the two losses is told beside.
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
from models.blocks.asked import Asked
from models.fism import FISM


@dataclass
class Taken:
    """Seconds of the loss with its gradients and the optimiser's step, in all, and of what they were."""

    sums: float = 0.0
    around: float = 0.0
    whole: int = 0
    pairs: float = 0.0
    paired: int = 0
    both: float = 0.0
    apart: list[float] = field(default_factory=list)

    @property
    def epoch(self) -> float:
        """Seconds of an epoch by sums, with its windows and negatives."""
        return self.sums + self.around

    @property
    def slow_epoch(self) -> float:
        """Of one pair by pair: as many pairs as there are, at the pace of those that were run."""
        return self.pairs * self.whole / max(self.paired, 1) + self.around


def built(train: Interactions, dim: int, alpha: float) -> FISM:
    """The model, as params has it but for these, learning from sets."""
    torch.manual_seed(1)
    settings = {"dim": dim, "alpha": alpha, "history": "others", "length": int(train.offset_U.diff().max())}
    model = models.build(Choice(name="fism", settings=settings), Catalog(train.items), train.users)
    assert isinstance(model, FISM)
    return model


def by_pairs(model: FISM, batch: Batch) -> Tensor:
    """The same loss by the kernel of pairs."""
    asked, label_BT = Asked.learnt(batch, others=True)
    none_N0 = model.past_ND.new_zeros(len(model.past_ND), 0)
    even = history.Halves(none_N0, none_N0, model.past_ND.new_zeros(0))
    items = history.Items(model.past_ND, model.target_ND, even, model.bias_N)
    squares = model.past_ND.square().sum() + model.target_ND.square().sum()
    loss = history.log_loss(items, asked, label_BT, model.config.alpha, 0.0)
    return loss + model.config.regularisation * squares


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
    for loss in (model.loss(first), by_pairs(model, first)):
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
        if slow:
            other = by_pairs(model, batch)
            other.backward()  # type: ignore[no-untyped-call]
            kept = float(other.detach())
            model.zero_grad(set_to_none=True)
            taken.pairs += clock() - ready
            taken.paired += int(asked)
        ready = clock()
        loss = model.loss(batch)
        stepped(loss, optimizer)
        taken.sums += clock() - ready
        if slow:
            taken.apart.append(abs(float(loss.detach()) - kept) / kept)
        started = clock()
    return taken


def told(train: Interactions, taken: Taken, dim: int) -> None:
    """A table, and what was run."""
    table = Table("form", "s an epoch", "times", title=f"{about(train)}, dim {dim}")
    table.add_row("by sums", f"{taken.epoch:.2f}", "1")
    table.add_row("pair by pair", f"{taken.slow_epoch:.1f}", f"{taken.slow_epoch / taken.epoch:.0f}")
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
    parser.add_argument("--pairs", type=float, default=1.5e8, help="of the slow form to run")
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
