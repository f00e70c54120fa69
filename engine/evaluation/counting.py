"""How many scores of a block lie above a target's, and how many are the same: one pass, nothing written."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

import numpy as np
import torch
from numba import njit
from torch import Tensor

WORTH = 1 << 18  # scores a thread, below which starting it costs more than it counts


def counts(score_BN: Tensor, own_B: Tensor, slack_B: Tensor) -> tuple[Tensor, Tensor]:
    """greater_B and ties_B (i64): scores beyond own + slack, and those within own ± slack; nan is neither.

    On a CPU in 32 bits a compiled loop, on as many threads as torch uses: summing truth values costs more than the
    products that made the scores.
    """
    low_B, high_B = own_B - slack_B, own_B + slack_B
    if score_BN.device.type == "cpu" and score_BN.dtype == torch.float32:
        both_2B = np.zeros((2, len(own_B)), dtype=np.int64)
        _share(score_BN.numpy(), low_B.numpy(), high_B.numpy(), both_2B)
        greater_B, ties_B = torch.from_numpy(both_2B)
        return greater_B, ties_B
    greater_B = (score_BN > high_B[:, None]).sum(1)
    return greater_B, (score_BN >= low_B[:, None]).sum(1) - greater_B


def _share(score_BN: np.ndarray, low_B: np.ndarray, high_B: np.ndarray, both_2B: np.ndarray) -> None:
    """Count rows on several threads, this one among them."""
    workers = max(min(torch.get_num_threads(), score_BN.size // WORTH, len(low_B)), 1)
    edges = [len(low_B) * worker // workers for worker in range(workers + 1)]
    parts = [
        (score_BN[first:last], low_B[first:last], high_B[first:last], both_2B[0, first:last], both_2B[1, first:last])
        for first, last in pairwise(edges)
    ]
    waiting = [_pool(os.getpid()).submit(_count, *part) for part in parts[1:]]
    _count(*parts[0])
    for part in waiting:
        part.result()


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """Threads of this process; one that was forked has none of its parent's."""
    return ThreadPoolExecutor(os.cpu_count())


@njit(cache=True, nogil=True)
def _count(score_BN, low_B, high_B, greater_B, ties_B):  # type: ignore[no-untyped-def]
    for b in range(score_BN.shape[0]):
        low, high = low_B[b], high_B[b]
        above, reached = np.int32(0), np.int32(0)
        for n in range(score_BN.shape[1]):
            # numba adds in 64 bits else, which halves the lanes of a vector
            above = np.int32(above + np.int32(score_BN[b, n] > high))
            reached = np.int32(reached + np.int32(score_BN[b, n] >= low))
        greater_B[b] = above
        ties_B[b] = reached - above
