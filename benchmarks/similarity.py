"""All items scored after many histories by attentive item similarity (nais, iris): pairs once, beside each by itself.

    python -m benchmarks.similarity [--people 64 --cases 16 --length 120 --items 9725] [--dim 16] [--rounds 5]

Ids are drawn by a falling popularity, vectors at random; a person's histories are one event apart, as in a test.
`once` is what the models do: two items meet once, and a history adds what its items met. `pairs` is the compiled loop
that meets the target anew for each event of each history; it is run on --some of the histories and scaled. Both in
turns; processor seconds. The greatest difference is told.
"""

import argparse
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.alternation import ROUNDS, circumstances, ratio, spread
from models.blocks import every_item, history
from models.blocks.asked import Asked
from models.blocks.history import Halves, Items, Product

ALPHA, BETA = 0.0, 0.5


def drawn(given: argparse.Namespace) -> tuple[dict[str, Items], Tensor]:
    """The tables of each attention, and item_BL."""
    torch.manual_seed(1)
    size = (given.items + 1, given.dim)
    past, target, keys, queries = (torch.randn(size) / given.dim**0.5 for _ in range(4))
    out, bias = torch.randn(given.dim), torch.randn(given.items + 1)
    popularity = torch.arange(1.0, given.items + 1) ** -0.8
    span = given.length + given.cases - 1
    item_UL = torch.multinomial(popularity, given.people * span, replacement=True).view(given.people, span) + 1
    mix = torch.randn(given.dim, given.dim)
    found = {
        "halves (iris, nais of concatenation)": Items(past, target, Halves(keys, queries, out), bias),
        "products (nais)": Items(past, target, Product(mix, torch.randn(given.dim), out), bias),
    }
    return found, item_UL.unfold(1, given.length, 1).reshape(-1, given.length)


def once(items: Items, item_BL: Tensor) -> Tensor:
    """score_BN of all items."""
    return every_item.scores(items, Asked(item_BL, item_BL, item_BL), ALPHA, BETA)


def pairs(items: Items, item_BL: Tensor) -> Tensor:
    """The same, pair by pair."""
    target_BN = torch.arange(len(items.past_ND)).expand(len(item_BL), -1)
    return history.scores(items, Asked(item_BL, target_BN, torch.full_like(target_BN, item_BL.shape[1])), ALPHA, BETA)


def timed(way: Callable[[Items, Tensor], Tensor], items: Items, item_BL: Tensor) -> tuple[float, Tensor]:
    started = time.process_time()
    score_BN = way(items, item_BL)
    return time.process_time() - started, score_BN


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    whole = {"people": 64, "cases": 16, "length": 120, "items": 9725, "dim": 16, "some": 64, "rounds": ROUNDS}
    for name, value in whole.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    models, item_BL = drawn(given)
    title = f"{len(item_BL):,} histories of {given.length}, {given.items:,} items: processor s, median (range)"
    table = Table("attention", "once", "pairs", "ratio", "greatest difference", "of scores up to", title=title)
    for name, items in models.items():
        pairs(items, item_BL[:1])  # compiles
        taken: list[tuple[float, float]] = []
        for _ in range(given.rounds):
            fast, score_BN = timed(once, items, item_BL)
            slow, some_BN = timed(pairs, items, item_BL[: given.some])
            taken.append((fast, slow * len(item_BL) / len(some_BN)))
        fast_R, slow_R = ([pair[way] for pair in taken] for way in (0, 1))
        apart = (score_BN[: len(some_BN)] - some_BN).abs().max()
        seconds = [spread(seconds, ".2f") for seconds in (fast_R, slow_R)]
        table.add_row(name, *seconds, ratio(slow_R, fast_R), f"{apart:.1e}", f"{some_BN.abs().max():.1f}")
    Console(width=150).print(table)
    print(circumstances(given.rounds))


if __name__ == "__main__":
    main()
