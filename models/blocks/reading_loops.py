"""The loops of `reading`, compiled."""

import numpy as np
from numba import njit

FAST = {"reassoc", "contract", "nsz", "arcp"}  # sums in any order; nan stays nan


@njit(fastmath=FAST, cache=True, error_model="numpy")
def attend(parts, where, share_VN, text_VD):  # type: ignore[no-untyped-def]
    """Adds to text_VD and writes share_VN."""
    word_XD, key_XD, query_VD, out_D = parts
    offset_U, place_V = where
    one, two = np.float32(1), np.float32(2)
    for v in range(len(place_V)):
        start, stop = offset_U[place_V[v]], offset_U[place_V[v] + 1]
        query_D, text_D, share_N = query_VD[v], text_VD[v], share_VN[v]
        most, whole = np.float32(-np.inf), np.float32(0)
        for n in range(stop - start):
            total = np.float32(0)
            for d in range(len(out_D)):
                total += out_D[d] / (one + key_XD[start + n, d] * query_D[d])
            share_N[n] = -two * total
            most = max(most, share_N[n])
        for n in range(stop - start):
            share_N[n] = np.exp(share_N[n] - most)
            whole += share_N[n]
        for n in range(stop - start):
            share_N[n] /= whole
            for d in range(len(text_D)):
                text_D[d] += share_N[n] * word_XD[start + n, d]


@njit(fastmath=FAST, cache=True, error_model="numpy")
def learn(given, where, grads, learns):  # type: ignore[no-untyped-def]
    """Adds the gradients: of out over -2, of what keys' and queries' exponents were taken of, halved, over 4 out.

    Each inner loop writes one row: with more of them the compiler gives up on proving that they are apart.
    """
    word_XD, key_XD, query_VD, out_D, share_VN, grad_VD = given
    by_word_XD, by_key_XD, by_query_VD, by_out_D = grads
    offset_U, place_V = where
    one = np.float32(1)
    r_D, slope_D, pull_N = np.empty_like(out_D), np.empty_like(out_D), np.empty(share_VN.shape[1], np.float32)
    for v in range(len(place_V)):
        start, stop = offset_U[place_V[v]], offset_U[place_V[v] + 1]
        query_D, share_N, grad_D, by_query_D = query_VD[v], share_VN[v], grad_VD[v], by_query_VD[v]
        mean = np.float32(0)
        for n in range(stop - start):
            total = np.float32(0)
            for d in range(len(grad_D)):
                total += word_XD[start + n, d] * grad_D[d]
            pull_N[n] = total
            mean += share_N[n] * total
        for n in range(stop - start):
            pull = share_N[n] * (pull_N[n] - mean)
            for d in range(len(out_D)):
                r_D[d] = one / (one + key_XD[start + n, d] * query_D[d])
            for d in range(len(out_D)):
                by_out_D[d] += pull * r_D[d]
            for d in range(len(out_D)):
                slope_D[d] = pull * (r_D[d] - r_D[d] * r_D[d])
            for d in range(len(out_D)):
                by_query_D[d] += slope_D[d]
            for d in range(len(out_D)):
                by_key_XD[start + n, d] += slope_D[d]
            if learns:
                for d in range(len(grad_D)):
                    by_word_XD[start + n, d] += share_N[n] * grad_D[d]
