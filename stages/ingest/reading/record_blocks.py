"""A block of lines, a record each (JSON, or Python literals): read and shaped, in this process or another."""

import gc
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson
import polars as pl
import pyarrow as pa

from stages.ingest.reading import literal
from stages.ingest.reading.columns import Tally
from stages.ingest.reading.stream import Block

Rows = list[dict[str, Any]]
Shape = Callable[[Rows, list[int], Tally], pl.DataFrame]
"""Records, their lines, and the tally for bad ones, to a table of the good ones; a function that a process can get."""
Form = Literal["json", "literal"]


@dataclass(frozen=True)
class Typed:
    """What fields hold where all is well: literals of that `schema` never become Python's objects, but columns, of
    which and their `line` `shape` makes the table; None where it takes them one by one to tell what is wrong."""

    schema: pa.Schema
    shape: Callable[[pl.DataFrame], pl.DataFrame | None]


@dataclass(frozen=True)
class Work:
    """What a block goes through, in this process or another."""

    path: Path
    form: Form
    shape: Shape
    fields: frozenset[str]
    typed: Typed | None

    @property
    def columnar(self) -> bool:
        """Whether it is done by compiled code, which threads can share a process for."""
        return self.form == "literal" and self.typed is not None

    def workers(self) -> Executor:
        """All cores."""
        count = os.cpu_count() or 1
        # spawn: a fork would copy the locks of polars' threads
        context = multiprocessing.get_context("spawn")
        return ThreadPoolExecutor(count) if self.columnar else ProcessPoolExecutor(count, context)

    def __call__(self, block: Block) -> tuple[pl.DataFrame, Tally]:
        """Its table and its bad rows; without the collector, for records hold no cycles, and looking takes as long."""
        if self.columnar or not gc.isenabled():
            return self._read(block)
        gc.disable()
        try:
            return self._read(block)
        finally:
            gc.enable()

    def _read(self, block: Block) -> tuple[pl.DataFrame, Tally]:
        tally = Tally(self.path)
        frame, others = self._columns(block, tally)
        records, lines = [], []
        for line, found in others:
            if isinstance(found, dict):
                records.append(found)
                lines.append(line)
            elif isinstance(found, Exception):
                tally.add(line, f"no record ({_said(found)})")
            elif found is not None:
                tally.add(line, f"a {type(found).__name__}, expected a record {{…}}")
        rest = self.shape(records, lines, tally)
        return (rest if frame is None else pl.concat([frame, rest]).sort("line")), tally

    def _columns(self, block: Block, tally: Tally) -> tuple[pl.DataFrame | None, Iterable[tuple[int, Any]]]:
        """The table of those lines that are what `typed` says, and what the others hold."""
        if self.form == "literal" and self.typed is not None:
            read = literal.Rewritten.of(block.text, self.fields, block.lines)
            found = read.table(self.typed.schema)
            frame = None if found is None else self.typed.shape(_lined(*found, block.first))
            if frame is not None:
                tally.rows += frame.height
                alone = ((n, read.alone(n, self.fields)) for n in read.unsure)
                return frame, ((block.first + n, _either(one, read.line(n))) for n, one in alone)
        return None, enumerate(parsed(block.text, self.form, self.fields), block.first)


def _lined(table: pa.Table, line: Any, first: int) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(table)).with_columns(line=pl.Series(first + line))


def parsed(text: bytes, form: Form, fields: frozenset[str]) -> Iterator[Any]:
    """What each line holds: in the file's form, or else in the other; an error where in neither."""
    if form == "literal":
        lines = text.split(b"\n")
        for place, found in enumerate(literal.each(text, fields)):
            yield _either(found, lines[place])
        return
    for line in text.split(b"\n"):
        try:
            yield orjson.loads(line)
        except orjson.JSONDecodeError as error:
            found = literal.evaluated(line)
            yield error if isinstance(found, Exception) else found


def form(text: bytes) -> Form:
    """Literals where the first line is one that JSON cannot read; a line of neither kind is told of as JSON."""
    start = text.lstrip()
    line = start[: start.find(b"\n")] if b"\n" in start else start
    return "literal" if _json(line) is None and not isinstance(literal.evaluated(line), Exception) else "json"


def _either(found: Any, line: bytes) -> Any:
    """What JSON says of a line that is no literal."""
    return _json(line) or found if isinstance(found, Exception) else found


def _json(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None


def _said(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError) or "surrogates" in str(error) or "UTF-8" in str(error):
        return "not UTF-8 text; save the file as UTF-8"
    return f"{str(error).splitlines()[0]:.80}" if str(error) else type(error).__name__
