"""Ridge regressions, one a row, each on a few rows of one table: the half sweep of alternating least squares.

x of row r minimises the sum over its events k of w_k (t_k · x - y_k)^2 + the sum over d of (base_d + ridge_r) x_d^2.
With v_k = sqrt(w_k) t_k / sqrt(base + ridge_r) it comes from I + V'V, or from I + VV' where there are fewer events than
numbers in x (Woodbury): exact either way, well conditioned, and about as quick as a few steps of conjugate gradients.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
import torch
from numba import njit
from torch import Tensor

FAST = {"reassoc", "contract", "nsz"}  # sums in any order; nan stays nan
TOGETHER = 128  # events whose products are added in one pass over a matrix
ROWS = 64  # that are worth a thread


@dataclass(frozen=True)
class Events:
    """Row r regresses target_X on the table's rows index_X (i64), weighed by weight_X, from offset_R[r] to the next."""

    offset_R: np.ndarray
    index_X: np.ndarray
    weight_X: np.ndarray
    target_X: np.ndarray

    @staticmethod
    def alike(offset_R: np.ndarray, index_X: np.ndarray) -> "Events":
        """All with weight and target 1."""
        one_X = np.ones(len(index_X), np.float32)
        return Events(offset_R, index_X, one_X, one_X)

    @staticmethod
    def padded(index_BL: Tensor, weight_BL: Tensor) -> "Events":
        """Of rows that are padded with weight 0; all targets are 1."""
        row_X, step_X = weight_BL.nonzero(as_tuple=True)
        offset_R = torch.searchsorted(row_X, torch.arange(len(index_BL) + 1))
        weight_X = weight_BL[row_X, step_X].numpy()
        return Events(offset_R.numpy(), index_BL[row_X, step_X].numpy(), weight_X, np.ones_like(weight_X))


def solve(events: Events, table_ND: Tensor, base_D: Tensor, ridge_R: Tensor) -> Tensor:
    """x_RD, 32 bits on a CPU, by compiled loops on as many threads as torch uses; 0 for a row without events."""
    found_RD = torch.empty(len(ridge_R), table_ND.shape[1], dtype=torch.float32)
    given = (events.offset_R, events.index_X, events.weight_X, events.target_X)
    table = (table_ND.numpy(), base_D.numpy(), ridge_R.numpy())
    workers = max(min(torch.get_num_threads(), len(ridge_R) // ROWS), 1)
    # events cost more than rows; so many parts that no thread waits long for the last one
    work_R = events.offset_R + ROWS * np.arange(len(events.offset_R))
    edges = np.searchsorted(work_R, np.linspace(0, work_R[-1], 8 * workers + 1 if workers > 1 else 2)).tolist()
    edges[-1] = len(ridge_R)
    if workers == 1:
        _solve(given, table, found_RD.numpy(), 0, len(ridge_R))
        return found_RD
    pool = _pool(os.getpid(), workers)
    for part in [pool.submit(_solve, given, table, found_RD.numpy(), *edge) for edge in pairwise(edges)]:
        part.result()
    return found_RD


@cache
def _pool(process: int, workers: int) -> ThreadPoolExecutor:
    """Threads of this process; one that was forked has none of its parent's."""
    return ThreadPoolExecutor(workers)


@njit(cache=True, nogil=True)
def _solve(events, table, found_RD, first, last):  # type: ignore[no-untyped-def]
    offset_R, dim = events[0], found_RD.shape[1]
    scale_D, value_D = np.empty(dim, np.float32), np.empty(dim, np.float32)
    matrix, rhs_K = np.empty((dim, dim), np.float32), np.empty(dim, np.float32)
    few_KD, turned_DK = np.empty((dim, dim), np.float32), np.empty((dim, TOGETHER), np.float32)
    for r in range(first, last):
        start, stop = offset_R[r], offset_R[r + 1]
        if stop == start:
            found_RD[r] = 0
            continue
        for d in range(dim):
            scale_D[d] = np.float32(1) / np.sqrt(table[1][d] + table[2][r])
        if stop - start < dim:
            _few(events, table[0], (start, stop, scale_D), (matrix, few_KD, rhs_K), value_D)
        else:
            _many(events, table[0], (start, stop, scale_D), (matrix, turned_DK), value_D)
        for d in range(dim):
            found_RD[r, d] = scale_D[d] * value_D[d]


@njit(fastmath=FAST, cache=True, nogil=True)
def _few(events, table_ND, row, held, value_D):  # type: ignore[no-untyped-def]
    """V' (I + VV')^-1 s."""
    _, index_X, weight_X, target_X = events
    start, stop, scale_D = row
    matrix_KK, few_KD, rhs_K = held
    count = stop - start
    for k in range(count):
        root = np.sqrt(weight_X[start + k])
        rhs_K[k] = root * target_X[start + k]
        for d in range(len(scale_D)):
            few_KD[k, d] = root * table_ND[index_X[start + k], d] * scale_D[d]
    for k in range(count):
        for j in range(k, count):
            product = np.float32(0)
            for d in range(len(scale_D)):
                product += few_KD[k, d] * few_KD[j, d]
            matrix_KK[k, j] = product
        matrix_KK[k, k] += np.float32(1)
    _cholesky(matrix_KK, rhs_K, count)
    value_D[:] = 0
    for k in range(count):
        for d in range(len(scale_D)):
            value_D[d] += rhs_K[k] * few_KD[k, d]


@njit(fastmath=FAST, cache=True, nogil=True)
def _many(events, table_ND, row, held, value_D):  # type: ignore[no-untyped-def]
    """(I + V'V)^-1 V's, V turned so that the products run along memory."""
    _, index_X, weight_X, target_X = events
    start, stop, scale_D = row
    matrix_DD, turned_DK = held
    dim = len(scale_D)
    value_D[:] = 0
    matrix_DD[:] = 0
    for begin in range(start, stop, TOGETHER):
        count = min(stop - begin, TOGETHER)
        for k in range(count):
            root = np.sqrt(weight_X[begin + k])
            wanted = root * target_X[begin + k]
            for d in range(dim):
                turned_DK[d, k] = root * table_ND[index_X[begin + k], d] * scale_D[d]
                value_D[d] += wanted * turned_DK[d, k]
        for a in range(dim):
            for b in range(a, dim):
                product = np.float32(0)
                for k in range(count):
                    product += turned_DK[a, k] * turned_DK[b, k]
                matrix_DD[a, b] += product
    for d in range(dim):
        matrix_DD[d, d] += np.float32(1)
    _cholesky(matrix_DD, value_D, dim)


@njit(fastmath=FAST, cache=True, nogil=True)
def _cholesky(matrix, value, size):  # type: ignore[no-untyped-def]
    """Solve for `value` in place; of the matrix, which is spoilt, the upper triangle is read."""
    for k in range(size):
        part = np.float32(1) / np.sqrt(matrix[k, k])
        for j in range(k, size):
            matrix[k, j] *= part
        for i in range(k + 1, size):
            factor = matrix[k, i]
            for j in range(i, size):
                matrix[i, j] -= factor * matrix[k, j]
    for k in range(size):
        value[k] /= matrix[k, k]
        for i in range(k + 1, size):
            value[i] -= matrix[k, i] * value[k]
    for k in range(size - 1, -1, -1):
        product = np.float32(0)
        for i in range(k + 1, size):
            product += matrix[k, i] * value[i]
        value[k] = (value[k] - product) / matrix[k, k]
