"""Lines that are Python literals, as Amazon's dumps of 2014 are: read at the speed of JSON, and never evaluated.

A literal of plain strings, numbers, lists, dicts, None, True and False is rewritten as the JSON that means the same, in
one pass over its bytes. Whatever that pass does not know for certain (tuples, sets, bytes, long integers, rare escapes)
goes to `ast.literal_eval` as it stands. Fields that nobody asked for are passed over on the way: of what they hold, only the
strings and the brackets must be whole.
"""

import ast
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
from numba import njit

_NEWLINE, _BACKSLASH, _QUOTE, _APOSTROPHE = 10, 92, 34, 39
_DEPTH, _PHASE, _PLACE = 0, 1, 2  # of the state: brackets open, what is read, where it began in `out`
_NOTHING, _KEY, _VALUE, _PASSED = 0, 1, 2, 3  # phases
_LONG = 17  # digits in a row that 64 bits hold for certain


def _of(letters: bytes) -> npt.NDArray[np.bool_]:
    table = np.zeros(256, np.bool_)
    table[list(letters)] = True
    return table


_PLAIN = _of(b"{}[],: \t\r0123456789+-.")  # outside of strings, and the same in both
_MARK = _of(b"{}[],:")
_DIGIT = _of(b"0123456789")
_HEX = _of(b"0123456789abcdefABCDEF")
_NAME = _of(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_" + bytes(range(128, 256)))
_SAME = _of(b"\\nrtbf")  # escapes that both know
_STOP = _of(bytes(range(32)) + b"\"'\\")  # in a string, where a closer look is needed
_WORDS = np.frombuffer(b"None\0null\0True\0true\0Falsefalse", np.uint8).reshape(3, 2, 5).copy()
_UNICODE = np.frombuffer(b"\\u0000", np.uint8).copy()


def each(text: bytes, wanted: frozenset[str] = frozenset()) -> Iterator[Any]:
    """What each line of `text` means, None for an empty one, or the error that says why it means nothing.

    Of a dict the fields that are not `wanted` are None; where nothing is named, all are wanted.
    """
    source = np.frombuffer(text, np.uint8)
    out, lines = np.empty(2 * len(source) + 16, np.uint8), text.count(b"\n") + 1
    starts, ends, sure = np.zeros(lines + 1, np.int64), np.zeros(lines + 1, np.int64), np.zeros(lines, np.bool_)
    names = sorted(name.encode() for name in wanted)
    keys = np.frombuffer(b"".join(b'"' + name + b'"' for name in names), np.uint8)
    bounds = np.cumsum([0, *(len(name) + 2 for name in names)])
    count = _rewritten(source, out, starts, ends, sure, keys, bounds)
    json, start, end = memoryview(out), starts.tolist(), ends.tolist()  # type: ignore[arg-type]
    for line, good in enumerate(sure[:count].tolist()):
        if good:
            try:
                yield orjson.loads(json[end[line] : end[line + 1]])
                continue
            except orjson.JSONDecodeError:  # an empty line, neighbouring strings, a trailing comma …
                pass
        found = evaluated(text[start[line] : start[line + 1]])
        if wanted and isinstance(found, dict):
            found = {key: value if key in wanted else None for key, value in found.items()}
        yield found


def evaluated(line: bytes) -> Any:
    """One line by `ast.literal_eval`; the error itself where it does not parse, None where it is empty."""
    if not line.strip():
        return None
    try:
        return ast.literal_eval(line.decode().strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        return error


@njit(cache=True, nogil=True)
def _rewritten(source, out, starts, ends, sure, keys, bounds):  # type: ignore[no-untyped-def]
    """Fills `out` with each line's JSON; gives how many lines there are."""
    i, o, line, n = 0, 0, 0, len(source)
    state = np.zeros(4, np.int64)
    while i < n:
        i, o, sure[line] = _line(source, i, out, o, state, keys, bounds)
        while i < n and source[i] != _NEWLINE:
            i += 1
        i += 1
        line += 1
        starts[line], ends[line] = min(i, n), o
    return line


@njit(cache=True, nogil=True)
def _line(source, i, out, o, state, keys, bounds):  # type: ignore[no-untyped-def]
    """One line from place i to place o; where it got to in both, and whether it is sure of what it wrote."""
    run, n = 0, len(source)
    state[:] = 0
    while i < n and source[i] != _NEWLINE:
        c = source[i]
        before = source[i - 1] if i > 0 else np.uint8(_NEWLINE)
        if _PLAIN[c] or ((c == 69 or c == 101) and (_DIGIT[before] or before == 46)):  # e of 1e5
            run = run + 1 if _DIGIT[c] else 0
            out[o] = c
            i, o = i + 1, o + 1
            if _MARK[c]:
                o = _structure(c, out, o, state, keys, bounds)
            if run > _LONG or o < 0:
                return i, max(o, 0), False
        elif c == _QUOTE or c == _APOSTROPHE:
            i, o, good = _string(source, i, out, o)
            if not good:
                return i, o, False
        elif _NAME[before]:
            return i, o, False
        elif c == 117 and i + 1 < n and (source[i + 1] == _QUOTE or source[i + 1] == _APOSTROPHE):  # u'…'
            i += 1
        else:
            step, o = _word(source, i, out, o)
            if step == 0:
                return i, o, False
            i += step
    return i, o, state[_DEPTH] == 0


@njit(cache=True, nogil=True)
def _structure(c, out, o, state, keys, bounds):  # type: ignore[no-untyped-def]
    """Follows the fields of the outermost dict; the place to go on writing at, or -1 where it is no longer sure."""
    opens, closes = c == 123 or c == 91, c == 125 or c == 93
    state[_DEPTH] += 1 if opens else -1 if closes else 0
    if opens and state[_DEPTH] == 1:
        state[_PHASE], state[_PLACE] = _KEY if c == 123 else _NOTHING, o
    elif state[_PHASE] == _NOTHING:
        return o
    elif (c == 44 and state[_DEPTH] == 1) or (closes and state[_DEPTH] == 0):
        if state[_PHASE] == _PASSED:
            out[state[_PLACE]] = c
            o = state[_PLACE] + 1
        state[_PHASE], state[_PLACE] = _KEY if c == 44 else _NOTHING, o
    elif c == 58 and state[_DEPTH] == 1:
        if state[_PHASE] != _KEY:
            return -1
        known = _known(out, state[_PLACE], o - 1, keys, bounds)
        state[_PHASE] = _VALUE
        if known == 0:
            out[o : o + 4] = _WORDS[0, 1, :4]
            state[_PHASE], state[_PLACE] = _PASSED, o + 4
            return o + 4
        if known < 0:
            return -1
    return o


@njit(cache=True, nogil=True)
def _known(out, start, end, keys, bounds):  # type: ignore[no-untyped-def]
    """1 where the field's name, as written in `out`, is asked for; 0 where not; -1 where it is spelt in escapes."""
    while start < end and out[start] == 32:
        start += 1
    if len(bounds) == 1:
        return 1
    for k in range(start, end):
        if out[k] == _BACKSLASH:
            return -1
    for name in range(len(bounds) - 1):
        if end - start == bounds[name + 1] - bounds[name]:
            same = True
            for k in range(end - start):
                same = same and out[start + k] == keys[bounds[name] + k]
            if same:
                return 1
    return 0


@njit(cache=True, nogil=True)
def _word(source, i, out, o):  # type: ignore[no-untyped-def]
    """None, True or False at place i; 0 read where there is none of them."""
    for row in range(3):
        length = 5 if row == 2 else 4
        if i + length > len(source) or (i + length < len(source) and _NAME[source[i + length]]):
            continue
        same = True
        for k in range(length):
            same = same and source[i + k] == _WORDS[row, 0, k]
        if same:
            out[o : o + length] = _WORDS[row, 1, :length]
            return length, o + length
    return 0, o


@njit(cache=True, nogil=True)
def _string(source, i, out, o):  # type: ignore[no-untyped-def]
    """The string that opens at place i, as `_line`."""
    n, mark = len(source), source[i]
    out[o] = _QUOTE
    i, o = i + 1, o + 1
    while i < n:
        c = source[i]
        if not _STOP[c] or (c == _APOSTROPHE and mark == _QUOTE):
            out[o] = c
            i, o = i + 1, o + 1
        elif c == mark:
            out[o] = _QUOTE
            return i + 1, o + 1, True
        elif c == _QUOTE:
            out[o], out[o + 1] = _BACKSLASH, _QUOTE
            i, o = i + 1, o + 2
        elif c == _BACKSLASH and i + 1 < n:
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
    if _SAME[c] or c == _QUOTE:
        out[o], out[o + 1] = _BACKSLASH, c
        return 2, o + 2
    if c == _APOSTROPHE:
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
