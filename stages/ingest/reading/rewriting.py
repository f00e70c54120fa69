"""Lines of Python literals rewritten as the JSON that means the same, compiled; `literal` says when."""

import numpy as np
from numba import njit

from stages.ingest.reading.quoting import BACKSLASH, NAME, WORDS, string, table, word

_NEWLINE = 10
_DEPTH, _PHASE, _PLACE = 0, 1, 2  # of the state: brackets open, what is read, where it began in `out`
_NOTHING, _KEY, _VALUE, _PASSED = 0, 1, 2, 3  # phases
_LONG = 17  # digits in a row that 64 bits hold for certain
_PLAIN = table(b"{}[],: \t\r0123456789+-.")  # outside of strings, and the same in both
_MARKS = table(b"\"'")
_BRACKET = table(b"{}[],:")
_DIGIT = table(b"0123456789")


@njit(cache=True, nogil=True)
def rewritten(source, out, starts, ends, sure, keys, bounds):  # type: ignore[no-untyped-def]
    """Fills `out` with the JSON of each line that it is sure of, a line each; gives how many lines there are."""
    i, o, line, n = 0, 0, 0, len(source)
    state = np.zeros(4, np.int64)
    while i < n:
        i, o, sure[line] = _line(source, i, out, o, state, keys, bounds)
        while i < n and source[i] != _NEWLINE:
            i += 1
        i += 1
        if sure[line]:
            out[o] = _NEWLINE
            o += 1
        else:
            o = ends[line]
        line += 1
        starts[line], ends[line] = min(i, n), o
    return line


@njit(cache=True, nogil=True)
def _line(source, i, out, o, state, keys, bounds):  # type: ignore[no-untyped-def]
    """One line from place i to place o; where it got to in both, and whether it is sure of what it wrote."""
    start, run, n = i, 0, len(source)
    state[:] = 0
    while i < n and source[i] != _NEWLINE:
        c = source[i]
        before = source[i - 1] if i > 0 else np.uint8(_NEWLINE)
        if _PLAIN[c] or ((c == 69 or c == 101) and (_DIGIT[before] or before == 46)):  # e of 1e5
            run = run + 1 if _DIGIT[c] else 0
            out[o] = c
            i, o = i + 1, o + 1
            if _BRACKET[c]:
                o = _structure(c, out, o, state, keys, bounds)
                if state[_PHASE] == _PASSED:
                    i, state[_PHASE] = _passed(source, i), _VALUE
            if run > _LONG or o < 0 or i < 0:
                return start, max(o, 0), False
        elif _MARKS[c]:
            i, o, good = string(source, i, out, o)
            if not good:
                return i, o, False
        elif NAME[before]:
            return i, o, False
        elif c == 117 and i + 1 < n and (_MARKS[source[i + 1]]):  # u'…'
            i += 1
        else:
            step, o = word(source, i, out, o)
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
    elif state[_PHASE] == _NOTHING or state[_DEPTH] > 1:
        return o
    elif c == 44:
        state[_PHASE], state[_PLACE] = _KEY, o
    elif c == 58:
        known = _known(out, state[_PLACE], o - 1, keys, bounds)
        state[_PHASE] = _VALUE
        if known == 0:
            out[o : o + 4] = WORDS[0, 1, :4]
            state[_PHASE] = _PASSED
            return o + 4
        if known < 0:
            return -1
    return o


@njit(cache=True, nogil=True)
def _passed(source, i):  # type: ignore[no-untyped-def]
    """Where the value that begins at place i ends, at its comma or bracket; -1 where that is not sure."""
    depth, n = 0, len(source)
    while i < n:
        c = source[i]
        if _MARKS[c]:
            i += 1
            while i < n and source[i] != c and source[i] >= 32:
                i += 2 if source[i] == BACKSLASH and i + 1 < n and source[i + 1] >= 32 else 1
            if i >= n or source[i] != c:
                return -1
        elif _BRACKET[c]:
            if depth == 0 and (c == 44 or c == 125):
                return i
            if depth == 0 and (c == 58 or c == 93):
                return -1
            depth += 1 if c == 123 or c == 91 else -1 if c == 125 or c == 93 else 0
        elif not (_PLAIN[c] or NAME[c]):
            return -1
        i += 1
    return -1


@njit(cache=True, nogil=True)
def _known(out, start, end, keys, bounds):  # type: ignore[no-untyped-def]
    """1 where the field's name, as written in `out`, is asked for; 0 where not; -1 where it is spelt in escapes."""
    while start < end and out[start] == 32:
        start += 1
    if len(bounds) == 1:
        return 1
    for k in range(start, end):
        if out[k] == BACKSLASH:
            return -1
    for name in range(len(bounds) - 1):
        if end - start == bounds[name + 1] - bounds[name]:
            same = True
            for k in range(end - start):
                same = same and out[start + k] == keys[bounds[name] + k]
            if same:
                return 1
    return 0
