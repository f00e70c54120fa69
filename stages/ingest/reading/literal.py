"""Lines that are Python literals, as Amazon's dumps of 2014 are: read at the speed of JSON, and never evaluated.

A literal of plain strings, numbers, lists, dicts, None, True and False is rewritten as the JSON that means the same, in
one pass over its bytes. Whatever that pass does not know for certain (tuples, sets, bytes, long integers, rare escapes)
goes to `ast.literal_eval` as it stands. Fields that nobody asked for are passed over on the way: of what they hold,
only the strings and the brackets must be whole.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.json
from numpy.typing import NDArray

from stages.ingest.reading.rewriting import rewritten

_NEWLINE, _RECORD = 10, 123


@dataclass(frozen=True)
class Rewritten:
    """A text, its line n from `start[n]` to `start[n + 1]`, and the JSON of those lines that are `sure`, likewise."""

    text: bytes
    json: NDArray[np.uint8]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    sure: NDArray[np.bool_]

    @classmethod
    def of(cls, text: bytes, wanted: frozenset[str], lines: int) -> "Rewritten":
        """At most `lines` lines; of a dict the fields that are not `wanted` are null; none named, all are wanted."""
        source = np.frombuffer(text, np.uint8)
        json = np.empty(2 * len(source) + 16, np.uint8)
        start, end, sure = np.zeros(lines + 1, np.int64), np.zeros(lines + 1, np.int64), np.zeros(lines, np.bool_)
        names = sorted(name.encode() for name in wanted)
        keys = np.frombuffer(b"".join(b'"' + name + b'"' for name in names), np.uint8)
        bounds = np.cumsum([0, *(len(name) + 2 for name in names)])
        count = rewritten(source, json, start, end, sure, keys, bounds)
        return cls(text, json[: end[count]], start[: count + 1], end[: count + 1], sure[:count])

    def table(self, schema: pa.Schema) -> tuple[pa.Table, NDArray[np.int64]] | None:
        """The fields of `schema` of all sure records, and which lines they are; None where one does not fit it."""
        sure = np.flatnonzero(self.sure)
        first = self.json[self.end[sure]]
        lines = sure[first == _RECORD]
        if not len(lines) or len(lines) + np.count_nonzero(first == _NEWLINE) < len(sure):
            return None
        how = pa.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
        whole = pa.json.ReadOptions(use_threads=False, block_size=len(self.json) + 1)
        try:
            table = pa.json.read_json(pa.BufferReader(self.json), whole, how)
            table.validate(full=True)
        except pa.ArrowInvalid:  # other types, a field twice, no UTF-8, a comma too many …
            return None
        return (table, lines) if len(table) == len(lines) else None

    @property
    def unsure(self) -> list[int]:
        """The other lines."""
        return np.flatnonzero(~self.sure).tolist()

    def line(self, line: int) -> bytes:
        """As it stands."""
        return self.text[self.start[line] : self.start[line + 1]]

    def alone(self, line: int, wanted: frozenset[str]) -> Any:
        """One line by `ast.literal_eval`, as `each`."""
        found = evaluated(self.line(line))
        if wanted and isinstance(found, dict):
            found = {key: value if key in wanted else None for key, value in found.items()}
        return found


def each(text: bytes, wanted: frozenset[str] = frozenset()) -> Iterator[Any]:
    """What each line of `text` means, None for an empty one, or the error that says why it means nothing.

    Of a dict the fields that are not `wanted` are None; where nothing is named, all are wanted.
    """
    read = Rewritten.of(text, wanted, text.count(b"\n") + 1)
    json, end = memoryview(read.json), read.end.tolist()  # type: ignore[arg-type]
    for line, good in enumerate(read.sure.tolist()):
        if good:
            try:
                yield orjson.loads(json[end[line] : end[line + 1]])
                continue
            except orjson.JSONDecodeError:  # an empty line, neighbouring strings, a trailing comma …
                pass
        yield read.alone(line, wanted)


def evaluated(line: bytes) -> Any:
    """One line by `ast.literal_eval`; the error itself where it does not parse, None where it is empty."""
    if not line.strip():
        return None
    try:
        return ast.literal_eval(line.decode().strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        return error
