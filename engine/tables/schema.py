"""What a table is, and the check that a frame is one."""

from dataclasses import dataclass

import polars as pl

ANY = 1  # width of an array in a schema below: any width fits

Time = pl.Datetime("us", "UTC")
Vector = pl.Array(pl.Float16, ANY)


@dataclass(frozen=True)
class Table:
    """Columns in order with their types; `optional` ones may be wholly null, `sorted_by` is the order of the rows."""

    name: str
    columns: dict[str, pl.DataType | type[pl.DataType]]
    optional: frozenset[str] = frozenset()
    sorted_by: tuple[str, ...] = ()


def fits(found: pl.DataType, wanted: pl.DataType | type[pl.DataType]) -> bool:
    """Whether a column of type `found` is one of type `wanted`; an array of width ANY takes every width."""
    if isinstance(wanted, pl.Array):
        return (
            isinstance(found, pl.Array) and wanted.size in (ANY, found.size) and fits(found.inner, wanted.inner)  # type: ignore[arg-type]
        )
    if isinstance(wanted, pl.List):
        return isinstance(found, pl.List) and fits(found.inner, wanted.inner)  # type: ignore[arg-type]
    return bool(found == wanted)


def check(frame: pl.DataFrame, table: Table, where: str) -> None:
    """Refuse a frame that is not a `table`: columns, types, nulls, order.

    Raises:
        ValueError: it names the place, the column, what was found and what would do.
    """
    found = frame.schema
    if list(found) != list(table.columns):
        raise ValueError(f"{where}: a {table.name} table has the columns {list(table.columns)}, found {list(found)}")
    for name, wanted in table.columns.items():
        if not fits(found[name], wanted):
            raise ValueError(f"{where}: column {name!r} of a {table.name} table is {wanted}, found {found[name]}")
        nulls = frame[name].null_count()
        if nulls and name not in table.optional:
            raise ValueError(
                f"{where}: column {name!r} of a {table.name} table has {nulls} empty of {frame.height} rows"
            )
    if table.sorted_by and frame.height > 1:
        keys = frame.select(pl.struct(table.sorted_by).alias("key")).to_series() if len(table.sorted_by) > 1 else None
        ordered = _ordered(frame, table.sorted_by) if keys is not None else frame[table.sorted_by[0]].is_sorted()
        if not ordered:
            raise ValueError(
                f"{where}: the rows of a {table.name} table are sorted by {table.sorted_by}; these are not"
            )


def _ordered(frame: pl.DataFrame, keys: tuple[str, ...]) -> bool:
    before = pl.lit(False)
    same = pl.lit(True)
    for key in keys:
        before = before | (same & (pl.col(key) < pl.col(key).shift(1)))
        same = same & (pl.col(key) == pl.col(key).shift(1))
    return not bool(frame.select(before.fill_null(False).any()).item())
