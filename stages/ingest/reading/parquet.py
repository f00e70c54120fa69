"""Parquet files, and folders of their parts: columns whose types say what is asked for, or a refusal with the path."""

import os
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from stages.ingest.reading import header, times
from stages.ingest.reading.category_paths import from_lists
from stages.ingest.reading.columns import Column, Tally, judged

os.environ["POLARS_IGNORE_TIMEZONE_PARSE_ERROR"] = "1"  # it knows no +05:30; names of zones are looked at below
_BROKEN = (pl.exceptions.PolarsError, pl.exceptions.PanicException, pa.ArrowException, OSError)


def read(path: Path, columns: dict[str, Column], tally: Tally) -> pl.DataFrame:
    """The good rows of a file, or of a folder's parts in the order of their names; bad ones go to `tally`.

    Raises:
        ValueError: no Parquet file, no parts, a column that is missing or holds another type.
    """
    tally.unit = "row"
    found = []
    for part in parts(path):
        own = Tally(part, "row")
        found.append(_part(part, columns, own))
        if part != path:
            own.first = [(place, f"of {part.name}: {why}") for place, why in own.first]
        tally.take(own)
    return pl.concat(found)


def parts(path: Path) -> list[Path]:
    """The file itself, or the Parquet files that lie in the folder."""
    if not path.is_dir():
        return [path]
    there = sorted(p for p in path.rglob("*") if p.suffix.lower() == ".parquet" and not _hidden(p.relative_to(path)))
    found = [p for p in there if p.parent == path]
    if not found:
        raise ValueError(f"{path}: a folder without .parquet files directly in it")
    if below := [p for p in there if p.parent != path]:
        raise ValueError(
            f"{path}: {len(below)} .parquet files lie in folders of it, e.g. {below[0].relative_to(path)}, and would "
            "not be read; put all parts side by side (what folders' names say is not read)"
        )
    if strange := [p for p in found if not p.is_file()]:
        raise ValueError(f"{strange[0]}: no plain file")
    return found


def _hidden(path: Path) -> bool:
    """Whether a program keeps it for itself, as Spark and Delta do: `_temporary`, `_delta_log`, `.part-0.crc`."""
    return any(name[0] in "._" for name in path.parts)


def _part(path: Path, columns: dict[str, Column], tally: Tally) -> pl.DataFrame:
    try:
        fields = pq.read_schema(path)
        for field in fields:
            _zone(path, field)
        header.require(path, fields.names, columns)
        schema = pl.scan_parquet(path, glob=False).collect_schema()
        for column in columns.values():
            _typed(path, column, schema[column.source])
        names = list(dict.fromkeys(c.source for c in columns.values()))
        cells = pl.read_parquet(path, columns=names, glob=False, hive_partitioning=False)
        cells = cells.with_columns(from_lists(path, name, kind) for name in names if (kind := schema[name]).is_nested())
        return judged(cells, pl.Series(range(1, cells.height + 1), dtype=pl.Int64), columns, tally)
    except _BROKEN as error:
        raise ValueError(f"{path}: no whole Parquet file ({str(error).splitlines()[0][:200]})") from None


def _zone(path: Path, field: pa.Field) -> None:
    """Refuse a column, whichever it is, in a zone that does not exist."""
    zone = getattr(field.type, "tz", None)
    if zone is None or zone[0] in "+-":
        return
    try:
        ZoneInfo(zone)
    except (ValueError, KeyError, OSError):
        raise ValueError(f"{path}: column {field.name!r} is in the time zone {zone!r}, which does not exist") from None


def _typed(path: Path, column: Column, kind: pl.DataType) -> None:
    text = kind in (pl.String, pl.Categorical, pl.Enum)
    whole, number = kind.is_integer(), kind.is_numeric()
    fits, wanted = {
        "id": (whole or text, "ids are whole numbers or text"),
        "text": (text or number or kind == pl.Null, "texts are text"),
        "categories": (text or kind.is_nested() or kind == pl.Null, "categories are text or lists"),
        "number": (whole or text, "these are whole numbers"),
        "rating": (number or text or kind == pl.Null, "ratings are numbers"),
    }.get(column.kind, (number or text or kind == pl.Date or isinstance(kind, pl.Datetime), "times are instants"))
    if column.kind in times.FORMS and kind == pl.Float32:
        fits, wanted = False, "which keeps a time of today to two minutes alone; write seconds as Int64 or Float64"
    if not fits:
        raise ValueError(f"{path}: column {column.source!r} holds {kind}; {wanted}")
