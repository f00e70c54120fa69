"""Files of a record a line (JSON, or Python literals), read in blocks by all cores, in the order of the file."""

import gc
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

import orjson
import polars as pl

from stages.ingest import literal
from stages.ingest.rows import Tally
from stages.ingest.stream import Block, Limits, blocks

Rows = list[dict[str, Any]]
Shape = Callable[[Rows, list[int], Tally], pl.DataFrame]
"""Records, their lines, and the tally for bad ones, to a table of the good ones; a function that a process can get."""
Form = Literal["json", "literal"]

_ALONE = 8  # so many blocks are read before it pays to start processes


def read(path: Path, shape: Shape, fields: frozenset[str], tally: Tally, limits: Limits) -> Iterator[pl.DataFrame]:
    """The tables of one block after the other; how many blocks are under way is bounded, and so is the memory.

    Fields of a literal that are not named in `fields` come as None.

    Raises:
        ValueError: as stages.ingest.stream.
    """
    source = blocks(path, limits)
    first = list(islice(source, _ALONE + 1))
    work = partial(_work, path, _form(first[0].text) if first else "json", shape, fields)
    if len(first) <= _ALONE:
        for block in first:
            yield _taken(work(block), tally)
        return
    workers = os.cpu_count() or 1
    # spawn: a fork would copy the locks of polars' threads
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        waiting: deque[Future[tuple[pl.DataFrame, Tally]]] = deque()
        for block in chain(first, source):
            waiting.append(pool.submit(work, block))
            if len(waiting) > workers + 1:
                yield _taken(waiting.popleft().result(), tally)
        while waiting:
            yield _taken(waiting.popleft().result(), tally)


def parsed(text: bytes, form: Form, fields: frozenset[str]) -> Iterator[Any]:
    """What each line holds: in the file's form, or else in the other; an error where in neither."""
    if form == "literal":
        lines = text.split(b"\n")
        for place, found in enumerate(literal.each(text, fields)):
            yield _json(lines[place]) or found if isinstance(found, Exception) else found
        return
    for line in text.split(b"\n"):
        try:
            yield orjson.loads(line)
        except orjson.JSONDecodeError as error:
            found = literal.evaluated(line)
            yield error if isinstance(found, Exception) else found


def _form(text: bytes) -> Form:
    """Literals where the first line is one that JSON cannot read; a line of neither kind is told of as JSON."""
    start = text.lstrip()
    line = start[: start.find(b"\n")] if b"\n" in start else start
    return "literal" if _json(line) is None and not isinstance(literal.evaluated(line), Exception) else "json"


def _json(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None


def _work(path: Path, form: Form, shape: Shape, fields: frozenset[str], block: Block) -> tuple[pl.DataFrame, Tally]:
    """One block, without the collector: records hold no cycles, and looking for some takes as long as reading."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        return _read(path, form, shape, fields, block)
    finally:
        if collecting:
            gc.enable()


def _read(path: Path, form: Form, shape: Shape, fields: frozenset[str], block: Block) -> tuple[pl.DataFrame, Tally]:
    tally, records, lines = Tally(path), [], []
    for line, found in enumerate(parsed(block.text, form, fields), block.first):
        if isinstance(found, dict):
            records.append(found)
            lines.append(line)
        elif isinstance(found, Exception):
            tally.add(line, f"no record ({_said(found)})")
        elif found is not None:
            tally.add(line, f"a {type(found).__name__}, expected a record {{…}}")
    return shape(records, lines, tally), tally


def _said(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError) or "surrogates" in str(error) or "UTF-8" in str(error):
        return "not UTF-8 text; save the file as UTF-8"
    return f"{str(error).splitlines()[0]:.80}" if str(error) else type(error).__name__


def _taken(done: tuple[pl.DataFrame, Tally], tally: Tally) -> pl.DataFrame:
    tally.take(done[1])
    return done[0]
