"""Times of raw files as instants, and the rule of which are believed."""

from datetime import UTC, datetime, timedelta

import polars as pl

from engine.tables.schema import Time

FORMS = ("seconds", "milliseconds", "iso")
EARLIEST = 1970  # year, where a source states no later one
_SCALE = {"seconds": 1_000_000, "milliseconds": 1_000}
_LAST = 253_402_300_799  # seconds to the end of the year 9999: what is beyond is put there, and refused as the future
_ISO = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?\s?(Z|[+-]\d{2}(:?\d{2})?)?)?$"
_HOURS = r"(:\d{2}(?:\.\d+)?\s?[+-]\d{2})$"  # an offset of hours alone, as PostgreSQL writes it


def instant(kind: str, cell: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Cells of text, numbers, days or instants as UTC instants; null where they say no time."""
    if isinstance(dtype, pl.Datetime):
        return _instants(cell, dtype)
    if dtype == pl.Date:
        days = cell.to_physical().cast(pl.Int64).clip(-_LAST // 86_400, _LAST // 86_400)
        return (days * 86_400_000_000).cast(Time)
    if kind == "iso":
        return _iso(cell.cast(pl.String))
    scale = _SCALE[kind]
    last = _LAST * 1_000_000 // scale
    parts = (cell.cast(pl.Float64, strict=False).clip(-last, last) * scale).round().cast(pl.Int64, strict=False)
    whole = cell.cast(pl.Int64, strict=False).clip(-last, last) * scale
    if dtype.is_numeric():  # a float cast to a whole number would lose its fraction
        return (whole if dtype.is_integer() else parts).cast(Time)
    return pl.coalesce(whole, parts).cast(Time)


def _instants(cell: pl.Expr, dtype: pl.Datetime) -> pl.Expr:
    """No zone is UTC. The stored number is scaled by hand: polars panics where a year does not fit."""
    stored = cell.to_physical()
    if dtype.time_unit == "ms":
        stored = stored.clip(-_LAST * 1_000, _LAST * 1_000) * 1_000
    elif dtype.time_unit == "ns":
        stored = stored // 1_000
    return stored.clip(-_LAST * 1_000_000, _LAST * 1_000_000).cast(Time)


def _iso(text: pl.Expr) -> pl.Expr:
    """ISO 8601 as an instant: a date alone is its midnight, no zone is UTC."""
    plain = pl.when(text.str.contains(_ISO)).then(text).str.replace(_HOURS, "${1}:00")
    plain = plain.str.replace("T", " ").str.replace(" ?Z$", "+00:00")
    plain = pl.when(plain.str.len_chars() == 10).then(plain + " 00:00").otherwise(plain)
    plain = plain.str.replace(r"( \d{2}:\d{2})($| ?[+-])", "${1}:00${2}").str.replace(r" ([+-])", "${1}")
    plain = pl.when(plain.str.contains(r"[+-]\d{2}:?\d{2}$")).then(plain).otherwise(plain + "+00:00")
    return plain.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%:z", time_unit="us", strict=False).cast(Time)


def faults(kind: str, found: pl.Expr, earliest: int) -> list[tuple[pl.Expr, str]]:
    """Masks of instants that are not believed, and what to say. A day is left for clocks that run fast."""
    hint = {"seconds": " (milliseconds?)", "milliseconds": " (microseconds?)"}.get(kind, "")
    past = {"seconds": " (a day such as 20140131?)", "milliseconds": " (seconds?)"}.get(kind, "")
    return [
        (
            found < datetime(earliest, 1, 1, tzinfo=UTC),
            f"a time before {earliest}{past if earliest > EARLIEST else ''}",
        ),
        (found > datetime.now(UTC) + timedelta(days=1), f"a time in the future{hint}"),
    ]
