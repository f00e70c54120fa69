"""Strings, escapes and words of Python literals rewritten as JSON has them, compiled."""

import numpy as np
import numpy.typing as npt
from numba import njit

QUOTE, APOSTROPHE, BACKSLASH = 34, 39, 92


def table(letters: bytes) -> npt.NDArray[np.bool_]:
    """Which bytes are among these."""
    found = np.zeros(256, np.bool_)
    found[list(letters)] = True
    return found


_HEX = table(b"0123456789abcdefABCDEF")
NAME = table(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_" + bytes(range(128, 256)))
_SAME = table(b"\\nrtbf")  # escapes that both know
_STOP = table(bytes(range(32)) + b"\"'\\")  # in a string, where a closer look is needed
WORDS = np.frombuffer(b"None\0null\0True\0true\0Falsefalse", np.uint8).reshape(3, 2, 5).copy()
_UNICODE = np.frombuffer(b"\\u0000", np.uint8).copy()


@njit(cache=True, nogil=True)
def word(source, i, out, o):  # type: ignore[no-untyped-def]
    """None, True or False at place i; 0 read where there is none of them."""
    for row in range(3):
        length = 5 if row == 2 else 4
        if i + length > len(source) or (i + length < len(source) and NAME[source[i + length]]):
            continue
        same = True
        for k in range(length):
            same = same and source[i + k] == WORDS[row, 0, k]
        if same:
            out[o : o + length] = WORDS[row, 1, :length]
            return length, o + length
    return 0, o


@njit(cache=True, nogil=True)
def string(source, i, out, o):  # type: ignore[no-untyped-def]
    """The string that opens at place i, as `_line`."""
    n, mark = len(source), source[i]
    out[o] = QUOTE
    i, o = i + 1, o + 1
    while i < n:
        c = source[i]
        if not _STOP[c] or (c == APOSTROPHE and mark == QUOTE):
            out[o] = c
            i, o = i + 1, o + 1
        elif c == mark:
            out[o] = QUOTE
            return i + 1, o + 1, True
        elif c == QUOTE:
            out[o], out[o + 1] = BACKSLASH, QUOTE
            i, o = i + 1, o + 2
        elif c == BACKSLASH and i + 1 < n:
            step, o = _escape(source, i, out, o)
            if step == 0:
                return i, o, False
            i += step
        else:
            return i, o, False
    return i, o, False


@njit(cache=True, nogil=True)
def _escape(source, i, out, o):  # type: ignore[no-untyped-def]
    """The escape at place i; 0 read where JSON has none that means the same."""
    c = source[i + 1]
    if _SAME[c] or c == QUOTE:
        out[o], out[o + 1] = BACKSLASH, c
        return 2, o + 2
    if c == APOSTROPHE:
        out[o] = c
        return 2, o + 1
    digits = 2 if c == 120 else 4 if c == 117 else 0  # x u
    if digits == 0 or i + 2 + digits > len(source):
        return 0, o
    for k in range(digits):
        if not _HEX[source[i + 2 + k]]:
            return 0, o
    if c == 117 and (source[i + 2] == 100 or source[i + 2] == 68):  # d800 to dfff would pair up in JSON
        return 0, o
    out[o : o + 6] = _UNICODE
    out[o + 6 - digits : o + 6] = source[i + 2 : i + 2 + digits]
    return 2 + digits, o + 6
