"""Lines that are Python literals, as Amazon's dumps of 2014 are: read at the speed of JSON, and never evaluated.

A literal of plain strings, numbers, lists, dicts, None, True and False is rewritten as the JSON that means the same, in
one pass over its bytes. Whatever that pass does not know for certain (tuples, sets, bytes, long integers, rare escapes)
goes to `ast.literal_eval` as it stands. Fields that nobody asked for are passed over on the way: of what they hold,
only the strings and the brackets must be whole.
"""

import ast
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson

from stages.ingest.rewriting import rewritten


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
    count = rewritten(source, out, starts, ends, sure, keys, bounds)
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
