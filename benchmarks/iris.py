"""A step of Multimodal IRIS beside the same step of its kernel alone, on free embeddings: what pictures and texts cost.

    python -m benchmarks.iris [--users 6040 --items 3685 --events 998034] [--image 2048 --text 768] [--dim 64] …

Ids are drawn in the shape of the paper's MovieLens (or as asked), vectors at random. Both models take the same steps in
turn: windows, negatives, loss, gradients, Adam. The kernel alone learns each item's two halves of the attention as free
rows. `refined` is the floor of what IRIS adds: the views' layers alone, forth and back, over the items of each step.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

import models
from benchmarks.alternation import circumstances, ratio
from benchmarks.clicks import about
from engine.tables.arrays import event_columns
from engine.tables.params import read_yaml
from engine.tables.settings import Choice
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.interactions import Interactions
from engine.training.needs import Needs
from engine.training.sampling import Negatives, batches
from models.blocks import history
from models.blocks.asked import Asked, History
from models.iris import IRIS


class Kernel(nn.Module):
    """Attentive item similarity whose attention is made of free rows."""

    def __init__(self, items: int, dim: int, beta: float):
        super().__init__()
        self.beta = beta
        self.past_ND, self.target_ND, self.key_NA, self.query_NA = (
            nn.Parameter(torch.randn(items + 1, dim) * 0.01) for _ in range(4)
        )
        self.out_A = nn.Parameter(torch.randn(dim) * dim**-0.5)

    def loss(self, batch: Batch, past: History) -> Tensor:
        """The log loss of IRIS."""
        asked, label_BT = Asked.learnt(batch, past)
        halves = history.Halves(self.key_NA, self.query_NA, self.out_A)
        return history.log_loss(history.Items(self.past_ND, self.target_ND, halves), asked, label_BT, 0.0, self.beta)


def drawn(users: int, items: int, events: int) -> Interactions:
    """Who chose what: histories of very different lengths, few items chosen by many."""
    rng = np.random.default_rng(1)
    weight = rng.lognormal(0, 0.95, users)
    length = np.clip((weight / weight.sum() * events).astype(int), 5, items // 2)
    share = 1 / (np.arange(1, items + 1) + 20.0)
    # the largest of weighed exponential lots: without replacement
    item = np.concatenate([np.argsort(rng.exponential(size=items) / share)[:n] + 1 for n in length])
    frame = pl.DataFrame({"user": np.repeat(np.arange(1, users + 1), length), "item": item}).cast(pl.UInt32)
    return Interactions.of(event_columns(frame.with_columns(time=pl.lit(None, dtype=pl.Datetime("us", "UTC")))), items)


def catalog(items: int, image: int, text: int) -> Catalog:
    """Every item with a picture's and a text's vector."""
    vectors = {"image": torch.randn(items + 1, image), "text": torch.randn(items + 1, text)}
    for value in vectors.values():
        value[0] = 0
    return Catalog(items, vectors)


def timed(work: Callable[[], Tensor], optimizer: torch.optim.Optimizer | None, clock: Callable[[], float]) -> float:
    """Seconds of a step, with its gradients."""
    started = clock()
    work().backward()
    if optimizer is not None:
        optimizer.step()
        optimizer.zero_grad()
    return clock() - started


def refined(model: IRIS, batch: Batch) -> Tensor:
    """Something of the two tables of a step's items, to take gradients of."""
    asked, _ = Asked.learnt(batch, History(history="others"))
    halves = model.halves(torch.unique(torch.cat([asked.item_BL.flatten(), asked.target_BT.flatten()])))
    return halves.past_NA.sum() + halves.target_NA.sum()


@dataclass
class Taken:
    """What was measured: seconds of each step by name, and of each step its pairs and distinct items."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {"kernel": [], "refined": [], "iris": []})
    pairs: list[int] = field(default_factory=list)
    items: list[int] = field(default_factory=list)


def measured(iris: IRIS, kernel: Kernel, drawn: Iterable[Batch], clock: Callable[[], float]) -> Taken:
    """Both models and the floor take every step in turn; the first one compiles, and is not counted."""
    optimizers = [torch.optim.Adam(model.parameters(), lr=1e-3, fused=True) for model in (iris, kernel)]
    taken = Taken()
    for number, batch in enumerate(drawn):
        found = {
            "kernel": timed(lambda b=batch: kernel.loss(b, iris.config), optimizers[1], clock),  # type: ignore[misc]
            "iris": timed(lambda b=batch: iris.loss(b), optimizers[0], clock),  # type: ignore[misc]
            "refined": timed(lambda b=batch: refined(iris, b), None, clock),  # type: ignore[misc]
        }
        iris.zero_grad()
        if number:
            for name, value in found.items():
                taken.seconds[name].append(value)
            taken.pairs.append(int((batch.length_B**2).sum()) * (1 + iris.needs.negatives))
            met = torch.cat([batch.item_BL.flatten(), batch.negative_BLK.flatten()])  # type: ignore[union-attr]
            taken.items.append(len(torch.unique(met)))
    return taken


def told(taken: Taken, title: str, steps: int) -> None:
    """A table, and what a step holds."""
    many, whole = len(taken.pairs), {name: sum(values) for name, values in taken.seconds.items()}
    table = Table("", "s a step", "s an epoch", "of the kernel: median (range)", title=title)
    for name, value in whole.items():
        each = value / many
        table.add_row(name, f"{each:.3f}", f"{each * steps:.1f}", ratio(taken.seconds[name], taken.seconds["kernel"]))
    Console(width=100).print(table)
    pairs = sum(taken.pairs)
    print(f"{pairs / many:,.0f} pairs a step, {1e9 * whole['kernel'] / pairs:.1f} ns each in the kernel")
    print(f"{statistics.mean(taken.items):,.0f} distinct items a step, each refined once")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("users", 6040), ("items", 3685), ("events", 998_034), ("image", 2048), ("text", 768)):
        parser.add_argument(f"--{name}", type=int, default=value)
    for name, value in (("dim", 64), ("rows", 64), ("length", 4000), ("steps", 8)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--cpu", action="store_true", help="seconds of the processor, not of the wall: a busy machine")
    asked = parser.parse_args()
    train = drawn(asked.users, asked.items, asked.events)
    settings = read_yaml(Path("params.yaml"))["models"]["iris"]
    settings |= {"dim": asked.dim, "length": asked.length, "history": "others", "fusion": "shared"}
    torch.manual_seed(1)
    iris = models.build(Choice(name="iris", settings=settings), catalog(asked.items, asked.image, asked.text), 0)
    assert isinstance(iris, IRIS)
    kernel = Kernel(asked.items, asked.dim, settings["beta"])
    generator, negatives = torch.Generator().manual_seed(1), Negatives(train)
    needs = Needs(asked.length, negatives=iris.needs.negatives, ahead=0)
    steps = list(batches(train, asked.length, asked.rows, generator, ahead=0))

    def windows() -> Iterator[Batch]:
        for start_B, stop_B in steps[: asked.steps + 1]:
            batch = train.targets(start_B, stop_B, needs)
            shape = (*batch.item_BL.shape, needs.negatives)
            yield batch.but(negative_BLK=negatives.draw(batch.user_B, shape, generator))

    taken = measured(iris, kernel, windows(), time.process_time if asked.cpu else time.perf_counter)
    told(taken, f"{about(train)}; {len(taken.pairs)} of {len(steps)} steps", len(steps))
    print(f"dim {asked.dim}, vectors of {asked.image} and {asked.text}; {circumstances(len(taken.pairs))}")


if __name__ == "__main__":
    main()
