"""IARN in training: pairs a second, both histories of one length, and how many pairs a ranking meets a second.

    python -m benchmarks.iarn --threads 2 models.iarn.inner=256

makes people and items with histories of --length before every pair that is learnt from, takes the settings of
params.yaml with the overrides, and prints a line for each of --rounds; the best counts, for what else the machine does
only slows it down (the figure for a second of a core, with --threads 1, hangs on it less).
"""

import argparse
import time
from pathlib import Path

import numpy as np
import polars as pl
import torch

import models
from engine.batch import Interactions
from engine.catalog import Catalog
from engine.categories import Categories
from engine.fit import Train
from engine.params import Choice, checked, override, read_yaml

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
    return Interactions.of(frame, ITEMS), Catalog(ITEMS, categories=Categories.of(items, ITEMS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--length", type=int, default=50)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    params = read_yaml(Path("params.yaml"))
    for assignment in [f"models.iarn.{key}={arguments.length}" for key in ("length", "item_length")]:
        override(params, assignment)
    for assignment in arguments.overrides:
        override(params, assignment)
    choice = Choice(name="iarn", settings=params["models"]["iarn"])
    settings = checked(Train, params["train"] | choice.settings["train"], "train")
    events, catalog = world(arguments.length)
    torch.manual_seed(params["seed"])
    model = models.build(choice, catalog, USERS)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.lr, fused=True)
    full_E = (torch.arange(len(events)) % (3 * arguments.length) >= 2 * arguments.length).nonzero()[:, 0]
    for number in range(1, arguments.rounds + 1):
        model.train()
        generator = torch.Generator().manual_seed(number)
        drawn = full_E[torch.randperm(len(full_E), generator=generator)]
        started, used, done = time.perf_counter(), time.process_time(), 0
        for part_B in drawn.split(settings.batch_size)[: arguments.steps]:
            batch = events.pairs(part_B, model.needs)
            if model.needs.negatives:
                batch = batch.but(negative_BLK=torch.randint(1, ITEMS + 1, (len(part_B), 1, model.needs.negatives)))
            loss = model.loss(batch)  # type: ignore[operator]
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            done += len(part_B)
        learnt, own = done / (time.perf_counter() - started), done / (time.process_time() - used)
        model.eval()
        rows = float(batch.length_B.float().mean())
        with torch.no_grad():
            few = events.pairs(drawn[:16], model.needs)
            item_BK = torch.arange(1, ITEMS + 1).expand(16, -1)
            started = time.perf_counter()
            model.score(few, item_BK)
            scored = item_BK.numel() / (time.perf_counter() - started)
        speed = f"{learnt:,.0f} pairs a second learnt ({own:,.0f} a second of one core), {scored:,.0f} scored"
        print(f"round {number}: {speed}; histories of {rows:.1f}")


if __name__ == "__main__":
    main()
