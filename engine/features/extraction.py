"""A table through a network, part by part: here or on a Ray cluster, kept as it goes, so that a killed run goes on."""

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

from engine.features.parts import Part, Plan, Slice, loaded
from engine.features.pretrained import digest
from engine.features.projection import reduced
from engine.tables import files, store
from engine.tables.schema import Table

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Target:
    """A table to write, its column of vectors, the width to which they are reduced (0: not), and what else to note."""

    path: Path
    table: Table
    column: str
    width: int
    meta: dict[str, Any]


def extract(plan: Plan, source: Path, table: Table, columns: list[str], targets: dict[str, Target]) -> None:
    """Every row of `source` (a file, or a folder of shards) through the plan's reader, into the `targets`.

    Parts are kept under `.cache/extraction` until the tables stand; a run of the same plan over the same files goes on
    from there. What is noted of the network and the sums of the counts go into the tables' metadata.
    """
    pieces = slices(source, plan.rows, table)
    kept = files.cache("extraction", _digest(plan, source, targets))
    done = {number for number in range(len(pieces)) if all(_shard(kept, number, name).exists() for name in targets)}
    if done:
        log.info("%d of %d parts are there from a run that was stopped", len(done), len(pieces))
    todo = [(number, piece) for number, piece in enumerate(pieces) if number not in done]
    run = _ray if plan.engine.engine == "ray" and todo else _here
    with Progress(transient=True, disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task(f"{table.name} to {', '.join(targets)}", total=store.height(source))
        bar.advance(task, sum(pieces[number].rows for number in done))
        for number, part in run(plan, todo, table, columns):
            noted = {"meta": part.meta, "counts": part.counts}
            for name, target in targets.items():
                store.write(part.frames[name], _shard(kept, number, name), target.table, noted)
            bar.advance(task, pieces[number].rows)
    shards = [_shard(kept, number, next(iter(targets))) for number in range(len(pieces))]
    meta = _noted(shards) if shards else _nothing(plan, table, columns)
    for name, target in targets.items():
        with reduced(target.path, target.table, target.column, target.width, meta | target.meta) as put:
            for number in range(len(pieces)):
                if (frame := store.read(_shard(kept, number, name), target.table)).height:
                    put(frame)
    shutil.rmtree(kept)


def slices(source: Path, rows: int, table: Table) -> list[Slice]:
    """The parts of a table, at most `rows` rows each, in order.

    Raises:
        FileNotFoundError: there is no such table.
    """
    files = sorted(source.glob("part-*.parquet")) if source.is_dir() else [source]
    if not files or not all(file.exists() for file in files):
        raise FileNotFoundError(f"{source}: no {table.name} table there; `dvc repro` makes it")
    heights = [store.height(file) for file in files]
    return [Slice(file.absolute(), start, min(rows, many - start))
            for file, many in zip(files, heights, strict=True) for start in range(0, many, rows)]  # fmt: skip


def _shard(kept: Path, number: int, name: str) -> Path:
    return kept / f"{number:06d}.{name}.parquet"


def _digest(plan: Plan, source: Path, targets: dict[str, Target]) -> str:
    """Of everything that made the parts: settings, weights, files, the code, the library, and where they are to go."""
    files = [
        file
        for place in (source, plan.weights)
        for file in ([place, *sorted(place.rglob("*"))] if place.exists() else [])
    ]
    stats = [(str(file.absolute()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    code = [digest(file) for file in sorted(Path(__file__).parent.rglob("*.py"))]
    goes = [str(target.path.absolute()) for target in targets.values()]
    return hashlib.sha256(repr((plan, stats, code, goes, torch.__version__)).encode()).hexdigest()[:20]


def _noted(shards: list[Path]) -> dict[str, Any]:
    found = [store.meta(shard) for shard in shards]
    names = found[0]["counts"]
    return {**found[0]["meta"], **{name: sum(noted["counts"][name] for noted in found) for name in names}}


def _nothing(plan: Plan, table: Table, columns: list[str]) -> dict[str, Any]:
    reader = plan.load()
    part = reader.read(reader.prepare(pl.DataFrame(schema={name: table.columns[name] for name in columns})))
    return {**part.meta, **part.counts}


def _here(plan: Plan, todo: list[tuple[int, Slice]], table: Table, columns: list[str]) -> Iterator[tuple[int, Part]]:
    """One part is made ready in threads while the one before it is read."""
    if not todo:
        return
    ahead: deque[tuple[int, Any]] = deque()
    with loaded(plan) as reader:
        for number, piece in todo:
            ahead.append((number, reader.prepare(piece.read(table, columns))))
            if len(ahead) > 1:
                first, prepared = ahead.popleft()
                yield first, reader.read(prepared)
        for number, prepared in ahead:
            yield number, reader.read(prepared)


def _ray(plan: Plan, todo: list[tuple[int, Slice]], table: Table, columns: list[str]) -> Iterator[tuple[int, Part]]:
    from engine.features import cluster  # Ray is slow to import

    yield from cluster.through(plan, todo, table, columns)
