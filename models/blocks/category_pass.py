"""A pass over ratings whose items have chains of categories, compiled; as in `hievh`, which says what is lowered."""

import numpy as np
from numba import njit

from models.blocks.descent import dot


@njit(cache=True)
def pass_over(order_E, ratings, chains, tables, how):  # type: ignore[no-untyped-def]
    """A step a rating; on the right stand old values."""
    offset_N, category_X, level_X, share_X = chains
    category_CD, level_L = tables[2], tables[3]
    rate, penalty, mean = how
    dim = tables[0].shape[1] - 1
    whole_D, gain_L = np.zeros(dim, np.float32), np.zeros_like(level_L)
    for e in order_E:
        p, q = tables[0][ratings[0][e]], tables[1][ratings[1][e]]
        first, last = offset_N[ratings[1][e]], offset_N[ratings[1][e] + 1]
        whole_D[:] = q[:dim]
        gain_L[:] = 0
        if last > first:
            weight_L = np.exp(level_L - level_L.max())
            weight_L /= weight_L.sum()
        for x in range(first, last):
            share = weight_L[level_X[x]] * share_X[x]
            gain_L[level_X[x]] += share_X[x] * dot(p[:dim], category_CD[category_X[x]])
            for d in range(dim):
                whole_D[d] += share * category_CD[category_X[x], d]
        error = ratings[2][e] - (mean + p[dim] + q[dim] + dot(p[:dim], whole_D))
        p[dim] += rate * (error - penalty * p[dim])
        q[dim] += rate * (error - penalty * q[dim])
        for x in range(first, last):
            share = weight_L[level_X[x]] * share_X[x]
            for d in range(dim):
                value = category_CD[category_X[x], d]
                category_CD[category_X[x], d] += rate * (error * share * p[d] - penalty * value)
        if last > first:
            level_L += rate * error * weight_L * (gain_L - (weight_L * gain_L).sum())
        for d in range(dim):
            before = p[d]
            p[d] += rate * (error * whole_D[d] - penalty * p[d])
            q[d] += rate * (error * before - penalty * q[d])
