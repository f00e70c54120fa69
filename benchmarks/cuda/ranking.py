"""Full ranking, nothing sampled: 100,000 cases among 58,098 items, 128 wide, what was seen left out."""

import statistics
import time

import numpy as np
import torch
from torch import Tensor

from benchmarks.cuda.report import Found, Report, peak_memory, tf32, wait
from engine.evaluation.rank import CASES, Counts, rank
from engine.training.batch import Batch
from engine.training.cases import Cases
from engine.training.contract import Factored
from engine.training.interactions import Interactions
from engine.training.needs import Needs

SEEN = 20  # events before each case


class Factors(Factored):
    """A vector a user and an item, drawn."""

    def __init__(self, users: int, items: int, dim: int, device: torch.device):
        super().__init__()
        draw = torch.Generator().manual_seed(1)
        self.user_UD = torch.randn(users + 1, dim, generator=draw).to(device)
        self.item_ND = torch.randn(items + 1, dim, generator=draw).to(device)

    @property
    def needs(self) -> Needs:
        return Needs()

    def query(self, batch: Batch) -> Tensor:
        return self.user_UD[batch.user_B]

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        return self.item_ND if item_U is None else self.item_ND[item_U]


def run(report: Report, device: torch.device, small: bool) -> None:
    """By rows of cases that go together, with and without TF32; the ranks of some cases beside a processor's."""
    cases, items, dim = (200, 300, 16) if small else (100_000, 58_098, 128)
    events = histories(cases, items, device)
    for rows in (CASES, 8 * CASES):
        for fast in (False, True):
            name = f"rows_{rows}_{'tf32' if fast else 'fp32'}"
            report.attempt(name, lambda r=rows, f=fast: one(events, (cases, items, dim), r, f), 15)  # type: ignore[misc]
    report.attempt("against_a_processor", lambda: against(cases, items, dim, device), 15)


def histories(cases: int, items: int, device: torch.device) -> Interactions:
    """A user a case: what was seen before it, and the target."""
    each = SEEN + 1
    columns = {
        "user": np.repeat(np.arange(1, cases + 1), each),
        "item": np.random.default_rng(2).integers(1, items + 1, cases * each),
        "event": np.arange(1, cases * each + 1),
    }
    return Interactions.of(columns, items, device=str(device))


def last(events: Interactions, many: int) -> Cases:
    user_C = torch.arange(1, many + 1, device=events.item_E.device)
    return Cases(user_C, torch.full_like(user_C, SEEN), events.item_E[events.offset_U[user_C] + SEEN])


def one(events: Interactions, size: tuple[int, int, int], rows: int, fast: bool) -> Found:
    """Seconds of the median of three, memory, and products a second."""
    cases, items, dim = size
    device = events.item_E.device
    model, found, seconds = Factors(cases, items, dim, device), Found(), []
    with tf32(fast), peak_memory(device, found):
        for _ in range(4):
            wait(device)
            began = time.perf_counter()
            rank(model, last(events, cases), events, rows=rows)
            wait(device)
            seconds.append(time.perf_counter() - began)
    taken = statistics.median(seconds[1:])
    return found | {
        "seconds": round(taken, 3),
        "tera_products_a_second": round(2 * cases * items * dim / taken / 1e12, 2),
    }


def against(cases: int, items: int, dim: int, device: torch.device) -> Found:
    """How many ranks of some cases differ from a processor's, beyond the ties that rounding makes."""
    many, here = min(cases, 512), torch.device("cpu")
    with tf32(False):
        counts = [ranked(place, (cases, items, dim), many) for place in (here, device)]
    one_C, other_C = ((each.greater + each.ties / 2) for each in counts)
    slack_C = (counts[0].ties + counts[1].ties) / 2
    beyond = int((np.abs(one_C - other_C) > slack_C).sum())
    return {"cases": many, "differ_beyond_ties": beyond, "equal": beyond == 0}


def ranked(device: torch.device, size: tuple[int, int, int], many: int) -> Counts:
    """The first cases' ranks there."""
    cases, items, dim = size
    events = histories(cases, items, device)
    return rank(Factors(cases, items, dim, device), last(events, many), events)
