"""The past as a set of items: what each event of a history counts, and sums of the items' rows over it."""

import weakref

import torch
from numba import njit
from torch import Tensor
from torch.nn import functional as F

from engine.training.batch import Batch
from engine.training.interactions import Interactions

FAST = {"reassoc", "contract", "nsz"}  # sums in any order; nan stays nan


def weights(batch: Batch, last: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """weight_BL of the `last` events whose presence is above 0: 1 / n where n of those are of one item, so that an item
    counts once, times the presence. So one of presence 0 is as if it had never been; 0 for all others.
    """
    there_BL = batch.valid_BL if batch.presence_BL is None else batch.valid_BL & (batch.presence_BL > 0)
    late_BL = there_BL & (there_BL.flip(1).cumsum(1).flip(1) <= last)
    row_X, step_X = late_BL.nonzero(as_tuple=True)
    item_X = batch.item_BL[row_X, step_X]
    _, place_X, count_Y = torch.unique(row_X * (item_X.max() + 1 if len(item_X) else 1) + item_X, return_inverse=True,
                                       return_counts=True)  # fmt: skip
    weight_BL = torch.zeros(late_BL.shape, dtype=dtype, device=late_BL.device)
    weight_BL[row_X, step_X] = 1 / count_Y[place_X].to(dtype)
    return weight_BL if batch.presence_BL is None else weight_BL * batch.presence_BL


def sums(item_BL: Tensor, weight_BL: Tensor, row_NM: Tensor) -> Tensor:
    """sum_BM of each row's items' rows, weighed.

    On a CPU in 32 bits, where nothing is to be learnt, by a compiled loop: a row that goes on from the one before, as
    when a person's events are ranked one after the other, adds what is new.
    """
    if loops(weight_BL, row_NM):
        sum_BM = torch.empty(len(item_BL), row_NM.shape[1], dtype=torch.float32)
        _sum(item_BL.numpy(), weight_BL.numpy(), row_NM.numpy(), sum_BM.numpy())
        return sum_BM
    row_X, step_X = weight_BL.nonzero(as_tuple=True)
    offset_B = torch.searchsorted(row_X, torch.arange(len(item_BL), device=row_X.device))
    weight_X = weight_BL[row_X, step_X].to(row_NM.dtype)
    return F.embedding_bag(item_BL[row_X, step_X], row_NM, offset_B, mode="sum", per_sample_weights=weight_X)


def scattered(item_BL: Tensor, weight_BL: Tensor, ragged: tuple[Tensor, Tensor, Tensor], width: int) -> Tensor:
    """sum_BM (M = `width`) where item i has value_X in the columns column_X, from offset_N[i] to offset_N[i + 1], and 0
    else; `ragged` is offset_N, column_X, value_X. Loops as `sums` does.
    """
    offset_N, column_X, value_X = ragged
    if loops(weight_BL, value_X):
        sum_BM = torch.empty(len(item_BL), width, dtype=torch.float32)
        _scatter(item_BL.numpy(), weight_BL.numpy(), tuple(t.numpy() for t in ragged), sum_BM.numpy())
        return sum_BM
    row_E, step_E = weight_BL.nonzero(as_tuple=True)
    start_E, count_E = offset_N[item_BL[row_E, step_E]], offset_N.diff()[item_BL[row_E, step_E]]
    event_Y = torch.repeat_interleave(torch.arange(len(row_E), device=row_E.device), count_E)
    place_Y = torch.arange(len(event_Y), device=row_E.device) + (start_E - (count_E.cumsum(0) - count_E))[event_Y]
    added_Y = weight_BL[row_E, step_E].to(value_X.dtype)[event_Y] * value_X[place_Y]
    sum_C = torch.zeros(len(item_BL) * width, dtype=value_X.dtype, device=value_X.device)
    return sum_C.index_add(0, row_E[event_Y] * width + column_X[place_Y], added_Y).view(-1, width)


class Solved:
    """What was solved for last, so that trials which only score otherwise need not solve again."""

    def __init__(self) -> None:
        self.kept: tuple[weakref.ref[Interactions], tuple[float, ...], int] | None = None

    def now(self, train: Interactions, how: tuple[float, ...], found: Tensor) -> None:
        """`found` is of these events, solved so."""
        self.kept = weakref.ref(train), how, found._version

    def holds(self, train: Interactions, how: tuple[float, ...], found: Tensor) -> bool:
        """Whether it still is, with nothing written over it since, as loaded weights are."""
        if self.kept is None:
            return False
        of, before, version = self.kept
        return of() is train and (before, version) == (how, found._version)


def loops(weight_BL: Tensor, table: Tensor) -> bool:
    """Whether a compiled loop can do it: on a CPU in 32 bits, and nothing is to be learnt."""
    learns = torch.is_grad_enabled() and weight_BL.requires_grad
    return table.device.type == "cpu" and table.dtype == weight_BL.dtype == torch.float32 and not learns


@njit(cache=True, nogil=True)
def _goes_on(item_BL, weight_BL, b):  # type: ignore[no-untyped-def]
    """Whether row b counts all that the row before counts, and as much."""
    for place in range(item_BL.shape[1] if b else 0):
        if weight_BL[b - 1, place] != 0 and (
            weight_BL[b - 1, place] != weight_BL[b, place] or item_BL[b - 1, place] != item_BL[b, place]
        ):
            return False
    return b > 0


@njit(fastmath=FAST, cache=True, nogil=True)
def _sum(item_BL, weight_BL, row_NM, sum_BM):  # type: ignore[no-untyped-def]
    for b in range(len(item_BL)):
        more = _goes_on(item_BL, weight_BL, b)
        sum_BM[b] = 0
        if more:
            sum_BM[b] = sum_BM[b - 1]
        for place in range(item_BL.shape[1]):
            weight = weight_BL[b, place]
            if weight != 0 and not (more and weight_BL[b - 1, place] != 0):
                row_M = row_NM[item_BL[b, place]]
                for m in range(sum_BM.shape[1]):
                    sum_BM[b, m] += weight * row_M[m]


@njit(cache=True, nogil=True)
def _scatter(item_BL, weight_BL, ragged, sum_BM):  # type: ignore[no-untyped-def]
    offset_N, column_X, value_X = ragged
    for b in range(len(item_BL)):
        more = _goes_on(item_BL, weight_BL, b)
        sum_BM[b] = 0
        if more:
            sum_BM[b] = sum_BM[b - 1]
        for place in range(item_BL.shape[1]):
            weight = weight_BL[b, place]
            if weight != 0 and not (more and weight_BL[b - 1, place] != 0):
                item = item_BL[b, place]
                for x in range(offset_N[item], offset_N[item + 1]):
                    sum_BM[b, column_X[x]] += weight * value_X[x]
