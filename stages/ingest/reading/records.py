"""Files of a record a line (JSON, or Python literals), read in blocks by all cores, in the order of the file."""

import ast
import gc
import json
import multiprocessing
import os
import re
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from stages.ingest.reading.columns import Tally
from stages.ingest.reading.progress import reading_bar
from stages.ingest.reading.stream import Block, Limits, blocks, open_plain_or_gzip

Record = dict[str, Any]
ToTable = Callable[[list[Record], list[int], Tally], pl.DataFrame]
"""Records, their lines, and the tally for bad ones, to a table of the good ones; a function that can be pickled."""

_FEW = 8  # so many blocks are read before it pays to start processes
_SURROGATE = re.compile(rb"\\(u|U0000)[dD][89a-fA-F]")


@dataclass(frozen=True)
class BlockReader:
    """Reads a block of lines in this process or another."""

    path: Path
    to_table: ToTable

    def __call__(self, block: Block) -> tuple[pl.DataFrame, Tally]:
        """The table of its good records, and its bad lines."""
        collecting = gc.isenabled()
        gc.disable()  # records hold no cycles, and looking for them takes long
        try:
            with warnings.catch_warnings():
                for kind in (SyntaxWarning, DeprecationWarning):  # a stray backslash in a literal: which, by version
                    warnings.simplefilter("ignore", kind)
                return self._read(block)
        finally:
            if collecting:
                gc.enable()

    def _read(self, block: Block) -> tuple[pl.DataFrame, Tally]:
        tally = Tally(self.path)
        records: list[Record] = []
        lines: list[int] = []
        for number, line in enumerate(block.text.split(b"\n"), block.first):
            if not line or line.isspace():
                continue
            try:
                found = parse(line)
            except ValueError as error:
                tally.add(number, f"no record ({error})")
                continue
            if isinstance(found, dict):
                records.append(found)
                lines.append(number)
            else:
                tally.add(number, f"a {type(found).__name__}, expected a record {{…}}")
        return self.to_table(records, lines, tally), tally


def read_records(path: Path, to_table: ToTable, tally: Tally, limits: Limits) -> Iterator[pl.DataFrame]:
    """The table of one block after the other; at most two blocks a core are under way at a time.

    Raises:
        ValueError: as stages.ingest.reading.stream; or a process died on the file.
    """
    work = BlockReader(path, to_table)
    with reading_bar([path]) as wrap:
        source = blocks(path, limits, wrap)
        first = list(islice(source, _FEW + 1))
        many = chain(first, source)
        for frame, bad in map(work, many) if len(first) <= _FEW else _by_all_cores(work, many):
            tally.take(bad)
            yield frame


def _by_all_cores(work: BlockReader, source: Iterator[Block]) -> Iterator[tuple[pl.DataFrame, Tally]]:
    cores = os.cpu_count() or 1
    spawn = multiprocessing.get_context("spawn")  # a fork would copy the locks of polars' threads
    waiting: deque[tuple[Block, Future[tuple[pl.DataFrame, Tally]]]] = deque()
    with ProcessPoolExecutor(cores, spawn) as pool:
        for block in chain(source, [None]):
            if block is not None:
                waiting.append((block, pool.submit(work, block)))
            while waiting and (block is None or len(waiting) > cores + 1):
                oldest, done = waiting.popleft()
                try:
                    yield done.result()
                except BrokenProcessPool:
                    raise ValueError(
                        f"{work.path} near line {oldest.first}: the process that read it was ended from outside; "
                        "is there memory enough?"
                    ) from None


def first_fields(path: Path) -> list[str]:
    """The names of the fields of the first record; none where the first line is no record."""
    with open_plain_or_gzip(path) as file:
        try:
            record = parse(file.readline())
        except ValueError:
            return []
    return sorted(map(str, record)) if isinstance(record, dict) else []


def parse(line: bytes) -> Any:
    """What a line means: as JSON, or else as a Python literal, which is never run.

    Raises:
        ValueError: it is neither; in a few words.
    """
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        wrong: Exception = error
    try:
        return _literal(line)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        if isinstance(error, UnicodeError) or not line.lstrip().startswith(b'{"'):
            wrong = error
    if isinstance(wrong, UnicodeError) or "surrogate" in str(wrong) or "UTF-8" in str(wrong):
        raise ValueError("not UTF-8 text; save the file as UTF-8") from None
    raise ValueError(f"{str(wrong).splitlines()[0]:.80}" if str(wrong) else type(wrong).__name__) from None


def _literal(line: bytes) -> Any:
    found = ast.literal_eval(line.decode().strip())
    if _SURROGATE.search(line):  # half a character, written as an escape: no table takes it
        json.dumps(found, ensure_ascii=False, skipkeys=True, default=str).encode()
    return found
