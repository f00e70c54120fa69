"""How many scores of a block lie above a target's, and how many are the same: one pass, nothing written."""

import numpy as np
import torch
from numba import njit
from torch import Tensor


def counts(score_BN: Tensor, own_B: Tensor, slack_B: Tensor) -> tuple[Tensor, Tensor]:
    """greater_B and ties_B (i64): scores beyond own + slack, and those within own ± slack; nan is neither.

    On a CPU in 32 bits a compiled loop, since summing truth values costs more than the products that made the scores.
    """
    low_B, high_B = own_B - slack_B, own_B + slack_B
    if score_BN.device.type == "cpu" and score_BN.dtype == torch.float32:
        both_2B = np.zeros((2, len(own_B)), dtype=np.int64)
        _count(score_BN.numpy(), low_B.numpy(), high_B.numpy(), both_2B)
        greater_B, ties_B = torch.from_numpy(both_2B)
        return greater_B, ties_B
    greater_B = (score_BN > high_B[:, None]).sum(1)
    return greater_B, (score_BN >= low_B[:, None]).sum(1) - greater_B


@njit(cache=True, nogil=True)
def _count(score_BN, low_B, high_B, both_2B):  # type: ignore[no-untyped-def]
    for b in range(score_BN.shape[0]):
        low, high = low_B[b], high_B[b]
        above, reached = np.int32(0), np.int32(0)
        for n in range(score_BN.shape[1]):
            above += score_BN[b, n] > high
            reached += score_BN[b, n] >= low
        both_2B[0, b] = above
        both_2B[1, b] = reached - above
