"""An epoch of Ante-RNN beside the plain GRU's of the same width, length, batches and softmax: end to end, and held.

    python -m benchmarks.ante [--dataset demo --protocol temporal] [--steps 24] [--set models.ante_rnn.dim=64] …

With --dataset the tables under data/ as `dvc repro` left them, else ids, words, regions and topics drawn in the shape
of MovieLens latest-small (or as asked). All learn from the same steps, four in a row and then the next one: loss,
gradients, Adam. Steps are medians, ratios those of the turns, median and range.

`gru4rec` is the model of that name with Ante-RNN's sizes, dropout and loss; its keys are a column wider, for the items'
biases. `bare` is Ante-RNN's own recurrence, rows and head with a free row an item where the content was: no biases.
`held` keeps each item's words and aligned picture in tables: no gradient reaches the layers below, so that what is left
to learn is the topics' attention, the fusion, the context, the GRU and the rows. Since what is held does not change,
one reading serves a whole training; `held, read` pays for it in every epoch. `whole` is Ante-RNN end to end.

Then each part alone, forth and back, and its floor: the part's matrix products at the rate of a large one, and its
output written once.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import models
from benchmarks.alternation import circumstances, ratio
from benchmarks.clicks import about
from engine.tables.arrays import event_columns
from engine.tables.layout import Layout
from engine.tables.params import override, read_yaml
from engine.tables.settings import Choice
from engine.training.batch import Batch
from engine.training.catalog import Catalog, Ragged
from engine.training.interactions import Interactions
from engine.training.sampling import Shared, batches
from engine.training.source import load
from models.ante_rnn import AnteRNN
from models.blocks.alignment import MeanRegions
from models.blocks.ragged import Parts, places
from models.blocks.softmax import LOSSES, Loss

TURN = 4  # steps that one model takes before it is the next one's turn
PARTS = ("words", "regions", "image", "text", "fusion")


class Held(nn.Module):
    """Parts of items that were read before."""

    def __init__(self, read: list[Parts]):
        super().__init__()
        offset_N = torch.cat([part.length_U for part in read]).cumsum(0)
        self.ragged = Ragged(torch.cat([part.value_XD for part in read]), nn.functional.pad(offset_N, (1, 0)))

    def forward(self, item_U: Tensor) -> Parts:
        """The parts of some items."""
        place_X, length_U = places(self.ragged, item_U)
        return Parts(self.ragged.value_XD.index_select(0, place_X), length_U)


@torch.no_grad()
def hold(model: AnteRNN, items: int) -> float:
    """Replace what reads the items by tables of what it read: words, and the picture as its one region; seconds."""
    started = time.perf_counter()
    words, pictures, content = [], [], model.content
    for item_C in torch.arange(items + 1).split(128):  # type: ignore[no-untyped-call]
        word, region = content.words(item_C), content.regions(item_C)
        seen_C = region.length_U > 0
        words.append(word)
        pictures.append(Parts(content.image(region, word)[0][seen_C], seen_C.long()))
    content.words, content.regions, content.image = Held(words), Held(pictures), MeanRegions()
    return time.perf_counter() - started


def drawn(asked: argparse.Namespace) -> tuple[Interactions, Catalog]:
    """Histories of very different lengths, and items with words and regions."""
    rng = np.random.default_rng(1)
    torch.manual_seed(1)
    weight = rng.lognormal(0, 1.2, asked.users)
    length = np.maximum(20, weight / weight.sum() * asked.events).astype(int)
    share = 1 / (np.arange(asked.items) + 20.0)
    frame = pl.DataFrame(
        {
            "user": np.repeat(np.arange(1, asked.users + 1), length),
            "item": rng.choice(asked.items, length.sum(), p=share / share.sum()) + 1,
            "time": np.concatenate([np.cumsum(rng.integers(60, 90_000, n)) for n in length]) * 1_000_000,
        }
    ).with_columns(pl.col("user", "item").cast(pl.UInt32), pl.col("time").cast(pl.Datetime("us", "UTC")))
    topic = rng.dirichlet(np.full(asked.topics, 0.2), frame.height + 1).astype(np.float16)
    views = {}
    counts = {"words": rng.integers(asked.words // 2, asked.words * 3 // 2, asked.items)}
    counts["regions"] = np.full(asked.items, asked.regions)
    for view, width in (("words", 384), ("regions", 128)):
        offset = np.concatenate([[0, 0], np.cumsum(counts[view])])
        views[view] = Ragged(torch.randn(int(offset[-1]), width).half(), torch.from_numpy(offset))
    return Interactions.of(event_columns(frame), asked.items, topic), Catalog(asked.items, {}, views, asked.topics)


class Bare(nn.Module):
    """Rows in, a GRU, rows out."""

    def __init__(self, items: int, dim: int, dropout: float, objective: Loss):
        super().__init__()
        self.row, self.dropout = nn.Embedding(items + 1, dim, padding_idx=0), nn.Dropout(dropout)
        self.gru = nn.GRU(dim, dim, batch_first=True)
        self.out_ID, self.objective = nn.Parameter(torch.randn(items, dim) * dim**-0.5), objective

    def loss(self, batch: Batch) -> Tensor:
        """The mean over the targets."""
        assert batch.target_BL is not None
        state_BLD = self.dropout(self.gru(self.dropout(self.row(batch.item_BL)))[0])
        asked_BL = batch.target_BL > 0
        return self.objective(state_BLD[asked_BL], self.out_ID, batch.target_BL[asked_BL], batch)


def step(model: Any, batch: Batch, optimizer: torch.optim.Optimizer) -> tuple[float, float, float]:
    """Seconds forth, back, and of the optimiser."""
    marks = [time.perf_counter()]
    loss = model.loss(batch)
    marks.append(time.perf_counter())
    loss.backward()
    marks.append(time.perf_counter())
    optimizer.step()
    optimizer.zero_grad()
    return marks[1] - marks[0], marks[2] - marks[1], time.perf_counter() - marks[2]


def contestants(params: dict[str, Any], train: Interactions, catalog: Catalog) -> tuple[dict[str, Any], float]:
    """Plain GRUs, Ante-RNN, and Ante-RNN with its items held; seconds of holding them."""
    ante = {key: value for key, value in params["models"]["ante_rnn"].items() if key != "train"}
    config: Any = models.configure(Choice(name="ante_rnn", settings=ante))
    same = {key: getattr(config, key) for key in ("dim", "length", "dropout", "shared")} | {"objective": config.loss}
    plain = {key: value for key, value in params["models"]["gru4rec"].items() if key != "train"} | same
    found: dict[str, Any] = {}
    for name, (model, settings) in {
        "gru4rec": ("gru4rec", plain),
        "held": ("ante_rnn", ante),
        "whole": ("ante_rnn", ante),
    }.items():
        torch.manual_seed(1)
        found[name] = models.build(Choice(name=model, settings=settings), catalog, train.users).train()
    found["bare"] = Bare(train.items, config.dim, config.dropout, LOSSES[config.loss]).train()
    return found, hold(found["held"], train.items)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", help="one under data/; else ids are drawn")
    parser.add_argument("--protocol", default="temporal")
    for name, value in (("users", 610), ("items", 9742), ("events", 80_000), ("words", 60), ("regions", 12)):
        parser.add_argument(f"--{name}", type=int, default=value)
    for name, value in (("topics", 26), ("steps", 24), ("rows", 0)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a param for this run")
    asked = parser.parse_args()
    params = read_yaml(Path("params.yaml"))
    for assignment in asked.set:
        override(params, assignment)
    if asked.dataset:
        needs = models.configure(Choice(name="ante_rnn", settings=params["models"]["ante_rnn"])).needs
        data = load(Layout(Path("data", asked.dataset), asked.protocol), needs, "valid", "cpu")
        train, catalog = data.train, data.catalog
    else:
        train, catalog = drawn(asked)
    rows = asked.rows or params["models"]["ante_rnn"]["train"]["batch_size"]
    found, holding = contestants(params, train, catalog)
    compare(found, holding, train, rows, asked.steps)


def compare(found: dict[str, Any], holding: float, train: Interactions, rows: int, count: int) -> None:
    """Take the steps in turn and print what each costs."""
    needs, generator = found["whole"].needs, torch.Generator().manual_seed(1)
    steps = list(batches(train, needs.length, rows, generator))
    shared = Shared(train, needs.shared_power) if needs.shared else None
    optimizers = {name: torch.optim.Adam(model.parameters(), lr=1e-3, fused=True) for name, model in found.items()}
    seconds: dict[str, list[tuple[float, float, float]]] = {name: [] for name in found}
    taken = []
    for start_B, stop_B in steps[:count]:
        batch = train.targets(start_B, stop_B, needs)
        taken.append(shared.draw(batch, needs.shared, generator) if shared is not None else batch)
    for first in range(0, count, TURN):
        for name, model in found.items():
            turn = [step(model, batch, optimizers[name]) for batch in [taken[first], *taken[first : first + TURN]]]
            seconds[name] += turn[1:]  # the first comes to what another one left in caches and heap
    usual = {name: np.median(values, axis=0) for name, values in seconds.items()}
    title = f"{about(train)}; {count} of {len(steps)} steps of {rows} rows; {torch.get_num_threads()} threads"
    heads = ("", "ms a step", "forth", "back", "optimiser", "s an epoch", "of gru4rec", "of bare")
    table = Table(*heads, title=title)
    turns = {
        name: [np.median(values[n : n + TURN], axis=0).sum() for n in range(0, count, TURN)]
        for name, values in seconds.items()
    }
    for name in ("gru4rec", "bare", "held", "held, read", "whole"):
        own, read = name.removesuffix(", read"), holding if "read" in name else 0.0
        parts = usual[own]
        whole = parts.sum() * len(steps) + read
        epochs = [turn + read / len(steps) for turn in turns[own]]
        ratios = [ratio(epochs, turns[other]) for other in ("gru4rec", "bare")]
        table.add_row(name, *(f"{1e3 * p:.1f}" for p in (parts.sum(), *parts)), f"{whole:.1f}", *ratios)
    Console(width=140).print(table)
    print(f"all items were read once in {holding:.2f} s; {circumstances(count // TURN)}")
    for name in ("held", "whole"):
        Console(width=120).print(profile(name, found[name], taken[-1], float(usual["bare"].sum())))


def profile(name: str, model: AnteRNN, batch: Batch, step: float) -> Table:
    """Each part alone on what it was given in a step of the model, beside a step of `bare`."""
    parts: dict[str, nn.Module] = {part: getattr(model.content, part) for part in PARTS}
    parts |= {"context": model.context, "gru": model.gru}
    given: dict[str, tuple[Any, ...]] = {}
    hooks = [p.register_forward_pre_hook(lambda _, args, n=n: given.update({n: args})) for n, p in parts.items()]
    model.loss(batch)
    for hook in hooks:
        hook.remove()
    works: dict[str, Callable[[], Any]] = {n: (lambda n=n: parts[n](*(fresh(a) for a in given[n]))) for n in parts}  # type: ignore[misc]
    works["alignment loss"] = lambda: model.content.image.loss(*(fresh(a) for a in given["image"]))  # type: ignore[operator]
    assert batch.target_BL is not None
    target_P = batch.target_BL[batch.target_BL > 0]
    state_PD = torch.randn(len(target_P), model.config.dim, requires_grad=True)
    works["softmax"] = lambda: model.objective(state_PD, model.out_ID, target_P, batch)
    rate, copied = rates()
    title = f"parts of `{name}` alone, ms; products at {1e-9 * rate:.0f} GFLOP/s; {1e-9 * copied:.1f} GB/s written"
    table = Table("", "forth", "back", "of bare's step", "floor", "floor of bare's step", title=title)
    for part, work in works.items():
        forth, back, products, written = alone(work)
        floor = products / rate + written / copied
        shares = [f"{value / step:.2f}" for value in (forth + back, floor)]
        table.add_row(part, f"{1e3 * forth:.2f}", f"{1e3 * back:.2f}", shares[0], f"{1e3 * floor:.2f}", shares[1])
    return table


def fresh(value: Any) -> Any:
    """The same outside of the graph that it came from, learning where it did; parts not yet padded."""
    if isinstance(value, Parts):
        return Parts(fresh(value.value_XD), value.length_U)
    if isinstance(value, Tensor) and value.is_floating_point():
        return value.detach().requires_grad_(value.requires_grad)
    return value


def alone(work: Callable[[], Any]) -> tuple[float, float, float, int]:
    """Median seconds forth and back, floating point operations of products in both, bytes of what it gives."""
    with FlopCounterMode(display=False) as counter:
        out = _first(work())
        if out.requires_grad:
            out.backward(torch.ones_like(out))
    marks = []
    for _ in range(9):
        started = time.perf_counter()
        out = _first(work())
        forth = time.perf_counter()
        if out.requires_grad:
            out.backward(torch.ones_like(out))
        marks.append((forth - started, time.perf_counter() - forth))
    forth, back = np.median(marks, axis=0)
    return float(forth), float(back), counter.get_total_flops(), out.nbytes


def rates() -> tuple[float, float]:
    """Floating point operations a second of a large product, and bytes a second of a large copy."""
    square, target = torch.randn(1536, 1536), torch.empty(1 << 23)
    source, product = torch.randn(1 << 23), torch.empty(1536, 1536)
    marks = []
    for _ in range(9):
        started = time.perf_counter()
        torch.mm(square, square, out=product)
        between = time.perf_counter()
        target.copy_(source)
        marks.append((between - started, time.perf_counter() - between))
    products, copies = np.median(marks, axis=0)
    return 2 * 1536**3 / products, target.nbytes / copies


def _first(out: Any) -> Tensor:
    """What the next part reads of it."""
    found = out[0] if isinstance(out, tuple) else out
    value: Tensor = found.value_XD if isinstance(found, Parts) else found
    return value


if __name__ == "__main__":
    main()
