"""An epoch of Ante-RNN beside the plain GRU's of the same width, length, batches and softmax: end to end, and held.

    python -m benchmarks.ante [--dataset demo --protocol temporal] [--steps 12] [--set models.ante_rnn.dim=64] …

With --dataset the tables under data/ as `dvc repro` left them, else ids, words, regions and topics drawn in the shape
of MovieLens latest-small (or as asked). All learn from the same steps in turn: loss, gradients, Adam. `held` keeps each
item's words, regions and aligned picture as they were at the epoch's begin, in a table: no gradient reaches the layers
below, so that what is left to learn is the topics' attention, the fusion, the context, the GRU and the rows. Then where
the time of a step goes, forth by part, and back.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

import models
from benchmarks.clicks import about
from benchmarks.variants import source
from engine.batch import Batch, Interactions
from engine.catalog import Catalog, Ragged
from engine.contract import Learner
from engine.params import Choice, override, read_yaml
from engine.sampling import Shared, batches
from engine.source import load
from models.ante_rnn import AnteRNN
from models.blocks.alignment import MeanRegions
from models.blocks.ragged import Parts, places

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
    for item_C in torch.arange(items + 1).split(256):  # type: ignore[no-untyped-call]
        word, region = content.words(item_C), content.regions(item_C)
        seen_C = region.length_U > 0
        words.append(word)
        pictures.append(Parts(content.image(region, word)[0][seen_C], seen_C.long()))
    content.words, content.regions, content.image = Held(words), Held(pictures), MeanRegions()
    return time.perf_counter() - started


def drawn(asked: argparse.Namespace) -> tuple[Interactions, Catalog]:
    """Histories of very different lengths, and items with words and regions."""
    rng = np.random.default_rng(1)
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
    return Interactions.of(frame, asked.items, topic), Catalog(asked.items, {}, views, asked.topics)


class Clock:
    """Seconds of the parts of a model's forward pass."""

    def __init__(self, parts: dict[str, nn.Module]):
        self.seconds = dict.fromkeys(parts, 0.0)
        self.begun: dict[str, float] = {}
        for name, part in parts.items():
            part.register_forward_pre_hook(lambda *_, n=name: self.begun.update({n: time.perf_counter()}))
            part.register_forward_hook(lambda *_, n=name: self._end(n))

    def _end(self, name: str) -> None:
        self.seconds[name] += time.perf_counter() - self.begun[name]


def step(model: Learner, batch: Batch, optimizer: torch.optim.Optimizer) -> tuple[float, float, float]:
    """Seconds forth, back, and of the optimiser."""
    marks = [time.perf_counter()]
    loss = model.loss(batch)
    marks.append(time.perf_counter())
    loss.backward()
    marks.append(time.perf_counter())
    optimizer.step()
    optimizer.zero_grad()
    return marks[1] - marks[0], marks[2] - marks[1], time.perf_counter() - marks[2]


def contestants(params: dict[str, Any], train: Interactions, catalog: Catalog) -> tuple[dict[str, Learner], float]:
    """The plain GRU, Ante-RNN, and Ante-RNN with its items held; seconds of holding them."""
    ante = {key: value for key, value in params["models"]["ante_rnn"].items() if key != "train"}
    same = {key: ante[key] for key in ("dim", "length", "dropout", "shared")} | {"objective": ante["loss"]}
    plain = {key: value for key, value in params["models"]["gru4rec"].items() if key != "train"} | same
    found: dict[str, Learner] = {}
    made = {"gru4rec": ("gru4rec", plain), "held": ("ante_rnn", ante), "whole": ("ante_rnn", ante)}
    for name, (model, settings) in made.items():
        torch.manual_seed(1)
        built = models.build(Choice(name=model, settings=settings), catalog, train.users)
        assert isinstance(built, Learner)
        found[name] = built.train()
    assert isinstance(found["held"], AnteRNN)
    return found, hold(found["held"], train.items)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", help="one under data/; else ids are drawn")
    parser.add_argument("--protocol", default="temporal")
    for name, value in (("users", 610), ("items", 9742), ("events", 80_000), ("words", 60), ("regions", 12)):
        parser.add_argument(f"--{name}", type=int, default=value)
    for name, value in (("topics", 26), ("steps", 12), ("rows", 0)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a param for this run")
    asked = parser.parse_args()
    params = read_yaml(Path("params.yaml"))
    for assignment in asked.set:
        override(params, assignment)
    if asked.dataset:
        needs = models.configure(Choice(name="ante_rnn", settings=params["models"]["ante_rnn"])).needs
        data = load(source(asked.dataset, asked.protocol), needs, "valid", "cpu")
        train, catalog = data.train, data.catalog
    else:
        train, catalog = drawn(asked)
    rows = asked.rows or params["models"]["ante_rnn"]["train"]["batch_size"]
    found, holding = contestants(params, train, catalog)
    compare(found, holding, train, rows, asked.steps)


def compare(found: dict[str, Learner], holding: float, train: Interactions, rows: int, count: int) -> None:
    """Take the steps in turn and print what each costs."""
    needs, generator = found["whole"].needs, torch.Generator().manual_seed(1)
    steps = list(batches(train, needs.length, rows, generator))
    shared = Shared(train) if needs.shared else None
    optimizers = {name: torch.optim.Adam(model.parameters(), lr=1e-3, fused=True) for name, model in found.items()}
    seconds: dict[str, list[tuple[float, float, float]]] = {name: [] for name in found}
    clocks = {name: Clock(_parts(model)) for name, model in found.items()}
    for number, (start_B, stop_B) in enumerate(steps[: count + 1]):
        batch = train.targets(start_B, stop_B, needs)
        batch = shared.draw(batch, needs.shared, generator) if shared is not None else batch
        for name, model in found.items():
            taken = step(model, batch, optimizers[name])
            if number:  # the first one is for warming up
                seconds[name].append(taken)
            else:
                clocks[name].seconds = dict.fromkeys(clocks[name].seconds, 0.0)
    mean = {name: np.mean(values, axis=0) for name, values in seconds.items()}
    title = f"{about(train)}; {count} of {len(steps)} steps of {rows} rows; {torch.get_num_threads()} threads"
    table = Table("", "s a step", "s an epoch", "of gru4rec", "forth", "back", "optimiser", title=title)
    for name, parts in mean.items():
        whole = parts.sum() * len(steps) + (holding if name == "held" else 0.0)
        ratio = whole / (mean["gru4rec"].sum() * len(steps))
        table.add_row(name, f"{parts.sum():.4f}", f"{whole:.1f}", f"{ratio:.2f}", *(f"{p:.4f}" for p in parts))
    console = Console(width=120)
    console.print(table)
    console.print(f"the epoch of `held` has {holding:.2f} s of reading all items once; forth, ms a step:")
    shown = Table("", *clocks["whole"].seconds, "rest: softmax, alignment loss, gathering")
    for name, clock in clocks.items():
        each = {part: 1e3 * value / count for part, value in clock.seconds.items()}
        rest = 1e3 * float(mean[name][0]) - sum(each.values())
        shown.add_row(name, *(f"{each[p]:.2f}" if p in each else "" for p in clocks["whole"].seconds), f"{rest:.2f}")
    console.print(shown)


def _parts(model: Any) -> dict[str, nn.Module]:
    content = {name: getattr(model.content, name) for name in PARTS} if isinstance(model, AnteRNN) else {}
    return content | ({"context": model.context} if content else {}) | {"gru": model.gru}


if __name__ == "__main__":
    main()
