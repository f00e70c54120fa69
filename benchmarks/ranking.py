"""Ranking 100,000 cases among 58,098 items, 128 wide: counted in blocks beside a top-k over a score matrix.

    python -m benchmarks.ranking

Each way runs in a process of its own, all in turns, --rounds times; memory is the largest resident of the whole
process. `counting` is our rank, all cases; `products alone` is what it cannot go below. The others are timed on some of
the cases and scaled: `topk` as well-known libraries rank (scores of a block of cases with all items, the best 20, and a
matrix that marks the targets, gathered at the best), and the top-k alone.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.alternation import ROUNDS, circumstances, ratio, spread
from engine.evaluation.rank import rank
from engine.training.batch import Batch
from engine.training.cases import Cases
from engine.training.contract import Factored
from engine.training.interactions import Interactions
from engine.training.needs import Needs

CASES, ITEMS, DIM, TOP, SAMPLE = 100_000, 58_098, 128, 20, 16_384


class Factors(Factored):
    """A vector a user and an item; some of the cases are ranked."""

    def __init__(self, cases: int) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.cases = cases
        self.user_UD, self.item_ND = torch.randn(CASES + 1, DIM), torch.randn(ITEMS + 1, DIM)

    @property
    def needs(self) -> Needs:
        return Needs()

    def query(self, batch: Batch) -> Tensor:
        return self.user_UD[batch.user_B]

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        return self.item_ND if item_U is None else self.item_ND[item_U]


def targets() -> Tensor:
    """The target of each case."""
    return torch.randint(1, ITEMS + 1, (CASES,), generator=torch.Generator().manual_seed(2))


def counting(model: Factors) -> tuple[int, float]:
    """Cases ranked and how many targets are among the best."""
    user_C, target_C = torch.arange(1, model.cases + 1), targets()[: model.cases]
    events = Interactions(user_C, target_C, user_C, torch.arange(-1, model.cases + 1).clamp(min=0), model.cases, ITEMS)
    counts = rank(model, Cases(user_C, torch.zeros_like(user_C), target_C), events, "kept")
    return model.cases, float((counts.greater[:SAMPLE] < TOP).sum())


def topk(model: Factors, rows: int, marked: bool) -> tuple[int, float]:
    """The same by a top-k, of some cases."""
    found, target_C = 0.0, targets()
    for first in range(0, min(SAMPLE, model.cases), rows):
        target_B = target_C[first : first + rows]
        score_BN = model.user_UD[first + 1 : first + 1 + rows] @ model.item_ND.T
        score_BN[:, 0] = -torch.inf
        best_BK = torch.topk(score_BN, TOP, dim=1).indices
        if marked:
            mark_BN = torch.zeros_like(score_BN, dtype=torch.int)
            mark_BN[torch.arange(rows), target_B] = 1
            found += float(mark_BN.gather(1, best_BK).sum())
        else:
            found += float((best_BK == target_B[:, None]).sum())
    return min(SAMPLE, model.cases), found


def products(model: Factors) -> tuple[int, float]:
    """The products of all cases and items in blocks, and nothing done with them: what any ranking has to pay."""
    held = torch.empty(1024, 2048)
    for first in range(1, model.cases + 1, 1024):
        user_BD = model.user_UD[first : first + 1024]
        for item in range(1, ITEMS + 1, 2048):
            item_ND = model.item_ND[item : item + 2048]
            out = held.view(-1)[: len(user_BD) * len(item_ND)].view(len(user_BD), len(item_ND))
            torch.mm(user_BD, item_ND.T, out=out)
    return model.cases, 0.0


WAYS: dict[str, Callable[[Factors], tuple[int, float]]] = {
    "counting": counting,
    "topk of 4096 and marks": lambda model: topk(model, 4096, True),
    "topk of 1024 alone": lambda model: topk(model, 1024, False),
    "products alone": products,
}

REFERENCE = "counting"


def measure(way: str, most: int) -> None:
    """One way, here."""
    with torch.inference_mode():
        model = Factors(1)
        WAYS[way](model)  # loads what is compiled
        model.cases = most
        started, used = time.perf_counter(), time.process_time()
        cases, found = WAYS[way](model)
        scale = CASES / cases
        seconds, processor = (time.perf_counter() - started) * scale, (time.process_time() - used) * scale
    gibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"seconds": seconds, "processor": processor, "gibibytes": gibibytes, "found": found}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--cases", type=int, default=CASES, help="multiples of 4096 of them: all are scaled to 100,000")
    asked = parser.parse_args()
    if asked.only:
        measure(asked.only, asked.cases)
        return
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(asked.rounds):
        for way, runs in found.items():
            command = [sys.executable, "-m", "benchmarks.ranking", "--only", way, "--cases", str(asked.cases)]
            answer = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ)
            runs.append(json.loads(answer.stdout))
    title = f"{CASES:,} cases, {ITEMS:,} items, {DIM} wide: median (lowest to highest)"
    table = Table("way", "s", "ratio", "processor s", "ratio", "GiB", f"in the best {TOP}", title=title)

    def all_of(way: str, key: str) -> list[float]:
        return [run[key] for run in found[way]]

    for way, runs in found.items():
        cells = []
        for key in ("seconds", "processor"):
            values = all_of(way, key)
            cells += [spread(values, ".1f"), ratio(values, all_of(REFERENCE, key))]
        table.add_row(way, *cells, f"{max(all_of(way, 'gibibytes')):.2f}", f"{runs[0]['found']:.0f}")
    Console(width=150).print(table)
    print(circumstances(asked.rounds))


if __name__ == "__main__":
    main()
