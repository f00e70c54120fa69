"""A table through a network, slice by slice, here or on a Ray cluster; what is done outlives a kill."""

import hashlib
import logging
import shutil
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch
from rich.progress import Progress

from engine.features.extractor import Extracted, ExtractorFactory, TableSlice, loaded
from engine.features.projection import reduced_groups, refuse_not_finite
from engine.tables import code, files, store
from engine.tables.schema import Table

log = logging.getLogger(__name__)
NumberedSlices = list[tuple[int, TableSlice]]


@dataclass(frozen=True)
class OutputTable:
    """A table to write, its column of vectors, the width to which they are reduced (0: not), and what else to note."""

    path: Path
    table: Table
    column: str
    width: int
    meta: dict[str, Any]


def extract(
    factory: ExtractorFactory, source: Path, table: Table, columns: list[str], outputs: dict[str, OutputTable]
) -> None:
    """Every row of `source` (a file, or a folder of shards) through the factory's extractor, into the `outputs`.

    Each slice's vectors are kept under `.cache/extraction` until the tables stand; a run of the same factory over the
    same files goes on from there. What is noted of the network and the sums of the counts go into the tables' metadata.

    Raises:
        ValueError: a vector is not finite, by table and item; or another run makes the same right now.
    """
    slices = table_slices(source, factory.rows, table)
    kept = files.cache("extraction", _digest(factory, source, outputs))
    with files.alone(kept):
        _fill(kept, factory, slices, table, columns, outputs)
        shards = [_shard(kept, number, next(iter(outputs))) for number in range(len(slices))]
        meta = _summed_meta(shards) if shards else _empty_meta(factory, table, columns)
        for name, output in outputs.items():
            with reduced_groups(output.path, output.table, output.column, output.width, meta | output.meta) as put:
                for number in range(len(slices)):
                    if (frame := store.read(_shard(kept, number, name), output.table)).height:
                        put(frame)
        shutil.rmtree(kept)


def _fill(
    kept: Path,
    factory: ExtractorFactory,
    slices: list[TableSlice],
    table: Table,
    columns: list[str],
    outputs: dict[str, OutputTable],
) -> None:
    """The vectors of each slice into a shard of its own, but for those that are there."""
    done = {number for number in range(len(slices)) if all(_shard(kept, number, name).exists() for name in outputs)}
    if done:
        log.info("%d of %d slices are there from a run that was stopped", len(done), len(slices))
    todo = [(number, part) for number, part in enumerate(slices) if number not in done]
    run = _extract_on_ray if factory.execution.engine == "ray" and todo else _extract_here
    with Progress(transient=True, disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task(f"{table.name} to {', '.join(outputs)}", total=sum(part.rows for part in slices))
        bar.advance(task, sum(slices[number].rows for number in done))
        for number, extracted in run(factory, todo, table, columns):
            noted = {"meta": extracted.meta, "counts": extracted.counts}
            for name, output in outputs.items():
                refuse_not_finite(extracted.frames[name], output.column, output.path)
                store.write(extracted.frames[name], _shard(kept, number, name), output.table, noted)
            bar.advance(task, slices[number].rows)


def table_slices(source: Path, rows: int, table: Table) -> list[TableSlice]:
    """A table cut into slices of at most `rows` rows, in order.

    Raises:
        FileNotFoundError: there is no such table.
    """
    files = sorted(source.glob("part-*.parquet")) if source.is_dir() else [source]
    if not files or not all(file.exists() for file in files):
        raise FileNotFoundError(f"{source}: no {table.name} table there; `dvc repro` makes it")
    heights = [store.height(file) for file in files]
    return [TableSlice(file.absolute(), start, min(rows, many - start))
            for file, many in zip(files, heights, strict=True) for start in range(0, many, rows)]  # fmt: skip


def _shard(kept: Path, number: int, name: str) -> Path:
    return kept / f"{number:06d}.{name}.parquet"


def _digest(factory: ExtractorFactory, source: Path, outputs: dict[str, OutputTable]) -> str:
    """Of all that made the vectors: settings, weights, files, code, accelerator, library, and where they are to go."""
    files = [
        file
        for place in (source, factory.weights)
        for file in ([place, *sorted(place.rglob("*"))] if place.exists() else [])
    ]
    stats = [(str(file.absolute()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    goes = [str(output.path.absolute()) for output in outputs.values()]
    made_by = code.digest(Path(__file__).parent), factory.accelerated, torch.__version__
    return hashlib.sha256(repr((factory, stats, goes, made_by)).encode()).hexdigest()[:20]


def _summed_meta(shards: list[Path]) -> dict[str, Any]:
    found = [store.meta(shard) for shard in shards]
    names = found[0]["counts"]
    return {**found[0]["meta"], **{name: sum(noted["counts"][name] for noted in found) for name in names}}


def _empty_meta(factory: ExtractorFactory, table: Table, columns: list[str]) -> dict[str, Any]:
    extractor = factory.load()
    empty = extractor.extract(extractor.prepare(pl.DataFrame(schema={name: table.columns[name] for name in columns})))
    return {**empty.meta, **empty.counts}


def _extract_here(
    factory: ExtractorFactory, todo: NumberedSlices, table: Table, columns: list[str]
) -> Iterator[tuple[int, Extracted]]:
    """One slice is made ready in threads while the one before it goes through the network."""
    if not todo:
        return
    ahead: deque[tuple[int, Any]] = deque()
    with loaded(factory) as extractor:
        for number, part in todo:
            ahead.append((number, extractor.prepare(part.read(table, columns))))
            if len(ahead) > 1:
                first, prepared = ahead.popleft()
                yield first, extractor.extract(prepared)
        for number, prepared in ahead:
            yield number, extractor.extract(prepared)


def _extract_on_ray(
    factory: ExtractorFactory, todo: NumberedSlices, table: Table, columns: list[str]
) -> Iterator[tuple[int, Extracted]]:
    from engine.features import ray_cluster  # Ray is slow to import

    yield from ray_cluster.extract_on_ray(factory, todo, table, columns)
