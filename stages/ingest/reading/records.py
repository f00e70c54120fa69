"""Files of a record a line (JSON, or Python literals), read in blocks by all cores, in the order of the file."""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from itertools import chain, islice
from pathlib import Path

import polars as pl

from stages.ingest.reading.columns import Tally
from stages.ingest.reading.record_blocks import Shape, Typed, Work, form
from stages.ingest.reading.stream import Limits, blocks

_ALONE = 8  # so many blocks are read before it pays to start processes


def read(
    path: Path, shape: Shape, fields: frozenset[str], tally: Tally, limits: Limits, typed: Typed | None = None
) -> Iterator[pl.DataFrame]:
    """The tables of one block after the other; how many blocks are under way is bounded, and so is the memory.

    Fields of a literal that are not named in `fields` come as None.

    Raises:
        ValueError: as stages.ingest.reading.stream.
    """
    source = blocks(path, limits)
    first = list(islice(source, _ALONE + 1))
    work = Work(path, form(first[0].text) if first else "json", shape, fields, typed)
    if len(first) <= _ALONE:
        for block in first:
            yield _taken(work(block), tally)
        return
    with work.workers() as pool:
        waiting: deque[Future[tuple[pl.DataFrame, Tally]]] = deque()
        for block in chain(first, source):
            waiting.append(pool.submit(work, block))
            if len(waiting) > (os.cpu_count() or 1) + 1:
                yield _taken(waiting.popleft().result(), tally)
        while waiting:
            yield _taken(waiting.popleft().result(), tally)


def _taken(done: tuple[pl.DataFrame, Tally], tally: Tally) -> pl.DataFrame:
    tally.take(done[1])
    return done[0]
