"""The only reader and writer of tables under data/: checked against their schemas, written whole or not at all."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from engine.tables.files import reading, whole, whole_folder
from engine.tables.schema import Table, check, fits

_META = "whyrec"


def write(frame: pl.DataFrame, path: Path, table: Table, meta: dict[str, Any] | None = None) -> None:
    """Write `frame` as a `table`, with `meta` (JSON) in the schema's metadata."""
    check(frame, table, str(path))
    with whole(path) as temporary:
        frame.write_parquet(temporary, metadata={_META: json.dumps(meta or {}, sort_keys=True)})


def read(path: Path, table: Table, columns: list[str] | None = None) -> pl.DataFrame:
    """Read a `table`, or some of its columns, checked.

    Raises:
        FileNotFoundError: the table is not there; the message names the stage's command to make it.
        ValueError: the file does not hold such a table.
    """
    wanted = (
        table
        if columns is None
        else Table(
            table.name,
            {c: table.columns[c] for c in columns},
            table.optional,
            table.sorted_by if set(table.sorted_by) <= set(columns) else (),
        )
    )
    with _readable(path, table.name):
        frame = pl.read_parquet(path, columns=columns, glob=False)
    check(frame, wanted, str(path))
    return frame


def find(path: Path, table: Table, **equal: int) -> pl.DataFrame:
    """The rows of a `table` whose columns have these values, without reading the others where their order tells."""
    with _readable(path, table.name):
        frame = pl.scan_parquet(path, glob=False).filter(**equal).collect()
    check(frame, table, str(path))
    return frame


def meta(path: Path) -> dict[str, Any]:
    """What the writer noted beside the rows (detector, weights, decay, counts …)."""
    with _readable(path, path.stem):
        found: dict[str, Any] = json.loads(pl.read_parquet_metadata(path).get(_META, "{}"))
    return found


@contextmanager
def _readable(path: Path, name: str) -> Iterator[None]:
    """Refuse what is not there, and what cannot be read as the columns that are wanted."""
    if not reading(path).exists():
        raise FileNotFoundError(f"{path}: no {name} table there; `dvc repro` makes it")
    with _whole(path, name):
        yield


@contextmanager
def _whole(path: Path, name: str) -> Iterator[None]:
    """Refuse what is cut or damaged, and what is no such file, with its path."""
    try:
        yield
    except (pl.exceptions.PolarsError, pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the system: it names the path itself
            raise
        why = str(error).partition("\n")[0]
        raise ValueError(f"{path} holds no {name} table ({why}); `dvc repro` makes it anew") from None


@contextmanager
def groups(path: Path, table: Table, meta: dict[str, Any]) -> Iterator[Callable[[pl.DataFrame], None]]:
    """Write a `table` row group by row group, so that memory stays bounded; `meta` is noted as it stands at the end."""
    with whole(path) as temporary:
        writer: pq.ParquetWriter | None = None
        last: dict[str, Any] = {}

        def put(frame: pl.DataFrame) -> None:
            nonlocal writer, last
            check(frame, table, str(path))
            rows = frame.to_arrow()
            keys = list(table.sorted_by)
            if frame.height and keys:
                if last and tuple(frame.row(0, named=True)[k] for k in keys) < tuple(last[k] for k in keys):
                    raise ValueError(f"{path}: the row groups of a {table.name} table are sorted by {table.sorted_by}")
                last = frame.select(keys).row(-1, named=True)
            writer = writer or pq.ParquetWriter(temporary, rows.schema, compression="zstd")
            writer.write_table(rows)

        try:
            yield put
        finally:
            if writer is not None:
                writer.add_key_value_metadata({_META: json.dumps(meta, sort_keys=True)})
                writer.close()
        if writer is None:
            write(pl.DataFrame(schema=dict(table.columns)), temporary, table, meta)


def read_groups(path: Path, table: Table, rows: int) -> Iterator[pl.DataFrame]:
    """The rows of a table, at most `rows` at a time, in order."""
    with _readable(path, table.name):
        for batch in pq.ParquetFile(path).iter_batches(batch_size=rows):
            frame = pl.DataFrame(pl.from_arrow(batch))
            check(frame, table, str(path))
            yield frame


def read_slice(path: Path, table: Table, start: int, rows: int, columns: list[str]) -> pl.DataFrame:
    """Some columns of `rows` rows of one file from row `start` on; columns that it lacks, or has of another type, are
    refused by name.
    """
    with _readable(path, table.name):
        found = pl.read_parquet_schema(path)
        if all(name in found and fits(found[name], table.columns[name]) for name in columns):
            return pl.scan_parquet(path, glob=False).slice(start, rows).select(columns).collect()
    if missing := sorted(set(columns) - set(found)):
        raise ValueError(f"{path}: a {table.name} table has the columns {list(table.columns)}, {missing} are not there")
    name = next(name for name in columns if not fits(found[name], table.columns[name]))
    raise ValueError(f"{path}: column {name!r} of a {table.name} table is {table.columns[name]}, found {found[name]}")


def height(path: Path) -> int:
    """How many rows a table has; a folder is a sharded one."""
    rows = 0
    for part in reading(path).glob("part-*.parquet") if path.is_dir() else [reading(path)]:
        with _whole(part, part.parent.name if part.stem.startswith("part-") else part.stem):
            rows += pq.read_metadata(part).num_rows
    return rows


# ---- pictures lie as bytes in shards, so that memory stays bounded and DVC hashes few files


def write_shards(frames: Iterable[pl.DataFrame], folder: Path, table: Table) -> int:
    """Write frames as `part-00000.parquet` … in a folder that appears whole; gives the number of rows."""
    rows = 0
    with whole_folder(folder) as new:
        for number, frame in enumerate(frames):
            write(frame, new / f"part-{number:05d}.parquet", table)
            rows += frame.height
        if rows == 0 and not any(new.iterdir()):
            write(pl.DataFrame(schema=dict(table.columns)), new / "part-00000.parquet", table)
    return rows


def read_shards(
    folder: Path, table: Table, rows: int = 256, columns: list[str] | None = None
) -> Iterator[pl.DataFrame]:
    """The rows of a sharded table, at most `rows` at a time, in order."""
    parts = sorted(reading(folder).glob("part-*.parquet"))
    if not parts:
        raise FileNotFoundError(f"{folder}: no {table.name} shards there; `dvc repro` makes them")
    for part in parts:
        with _whole(part, table.name):
            for batch in pq.ParquetFile(part).iter_batches(batch_size=rows, columns=columns or list(table.columns)):
                frame = pl.DataFrame(pl.from_arrow(batch))
                if columns is None:
                    check(frame, table, str(part))
                yield frame
