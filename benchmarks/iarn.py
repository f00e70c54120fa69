"""IARN in training: pairs a second, both histories of one length, and how many pairs a ranking meets a second.

    python -m benchmarks.iarn --threads 2 +models.iarn.inner=256

makes people and items with histories of --length before every pair that is learnt from, takes the settings of
params.yaml with the overrides, and prints a line for each of --rounds, then the medians (what else the machine does
slows it down; the figure for a second of a core, with --threads 1, hangs on it less).
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import Tensor

import models
from benchmarks.alternation import ROUNDS, circumstances, spread
from engine.tables.arrays import category_paths, event_columns
from engine.tables.params import override, read_yaml
from engine.tables.settings import Choice, checked
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.categories import Categories
from engine.training.fit import Train
from engine.training.interactions import Interactions

USERS, ITEMS, GENRES = 400, 400, 19


def world(length: int, seed: int = 1) -> tuple[Interactions, Catalog]:
    """Everyone acts on three times `length` random items, a second after the other; items have one to four genres."""
    rng = np.random.default_rng(seed)
    each = 3 * length
    user = np.repeat(np.arange(1, USERS + 1), each)
    frame = pl.DataFrame(
        {
            "user": pl.Series(user, dtype=pl.UInt32),
            "item": pl.Series(rng.integers(1, ITEMS + 1, len(user)), dtype=pl.UInt32),
            "rating": pl.Series(rng.integers(1, 6, len(user)), dtype=pl.Float32),
            "time": pl.Series(np.tile(np.arange(each), USERS) * 1_000_000).cast(pl.Datetime("us", "UTC")),
        }
    )
    genres = [[[f"genre {g}"] for g in rng.choice(GENRES, rng.integers(1, 5), False)] for _ in range(ITEMS)]
    items = pl.DataFrame({"item": range(1, ITEMS + 1), "categories": genres})
    return Interactions.of(event_columns(frame), ITEMS), Catalog(
        ITEMS, categories=Categories.of(*category_paths(items), ITEMS)
    )


def learnt(
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    settings: Train,
    events: Interactions,
    parts: Sequence[Tensor],
) -> tuple[float, float, Batch]:
    """Pairs learnt from a second, of the clock and of one core; and the last batch."""
    model.train()
    started, used, done = time.perf_counter(), time.process_time(), 0
    for part_B in parts:
        batch = events.pairs(part_B, model.needs)
        if model.needs.negatives:
            batch = batch.but(negative_BLK=torch.randint(1, ITEMS + 1, (len(part_B), 1, model.needs.negatives)))
        loss = model.loss(batch)  # type: ignore[operator]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        done += len(part_B)
    return done / (time.perf_counter() - started), done / (time.process_time() - used), batch


@torch.no_grad()
def scored(model: torch.nn.Module, events: Interactions, drawn_E: Tensor) -> float:
    """Pairs that a ranking meets a second."""
    model.eval()
    few = events.pairs(drawn_E[:16], model.needs)
    item_BK = torch.arange(1, ITEMS + 1).expand(16, -1)
    started = time.perf_counter()
    model.score(few, item_BK)
    return item_BK.numel() / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    for name, value in (("threads", 2), ("length", 50), ("steps", 10), ("rounds", ROUNDS)):
        parser.add_argument(f"--{name}", type=int, default=value)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    params = read_yaml(Path("params.yaml"))
    lengths = [f"++models.iarn.{key}={arguments.length}" for key in ("length", "item_length")]
    for assignment in [*lengths, *arguments.overrides]:
        override(params, assignment)
    choice = Choice(name="iarn", settings=params["models"]["iarn"])
    settings = checked(Train, params["train"] | choice.settings["train"], "train")
    events, catalog = world(arguments.length)
    torch.manual_seed(params["seed"])
    model = models.build(choice, catalog, USERS)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.lr, fused=True)
    full_E = (torch.arange(len(events)) % (3 * arguments.length) >= 2 * arguments.length).nonzero()[:, 0]
    taken: dict[str, list[float]] = {"learnt": [], "learnt by one core": [], "scored": []}
    for number in range(1, arguments.rounds + 1):
        drawn_E = full_E[torch.randperm(len(full_E), generator=torch.Generator().manual_seed(number))]
        parts = drawn_E.split(settings.batch_size)[: arguments.steps]
        wall, own, batch = learnt(model, optimizer, settings, events, parts)
        rows = float(batch.length_B.float().mean())
        met = scored(model, events, drawn_E)
        speed = f"{wall:,.0f} pairs a second learnt ({own:,.0f} a second of one core), {met:,.0f} scored"
        print(f"round {number}: {speed}; histories of {rows:.1f}", flush=True)
        for values, value in zip(taken.values(), (wall, own, met), strict=True):
            values.append(value)
    told = "; ".join(f"{name} {spread(values, ',.0f')}" for name, values in taken.items())
    print(f"pairs a second, median (lowest to highest): {told}\n{circumstances(arguments.rounds)}")


if __name__ == "__main__":
    main()
