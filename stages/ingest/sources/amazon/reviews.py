"""Amazon's reviews, a record a line, as events."""

from typing import Any

import polars as pl

from stages.ingest.reading.columns import Column, Tally, judged
from stages.ingest.reading.record_fields import FieldTypes, Records, field_column, valid_records
from stages.ingest.sources.amazon.releases import REVIEW

_DAY = "%m %d, %Y"  # "09 13, 2009"


def review_table(rows: Records, lines: list[int], tally: Tally, release: int) -> pl.DataFrame:
    """user, item, rating, time of the good records; 2023 goes by `parent_asin`, as its products do."""
    if release == 2023:
        rows = [
            row if "asin" not in row or "parent_asin" in row else row | {"parent_asin": row["asin"]} for row in rows
        ]
        kinds: dict[str, FieldTypes] = {**REVIEW[2023], "parent_asin": (str,)}
        names = ("user_id", "parent_asin", "rating", "timestamp")
    else:
        rows = [row if "unixReviewTime" in row else _dated(row) for row in rows]
        kinds, names = REVIEW[release], ("reviewerID", "asin", "overall", "unixReviewTime")
    rows, lines = valid_records(rows, lines, tally, kinds, kinds.keys())
    user, item, rating, time = names
    dtypes: dict[str, Any] = {user: pl.String, item: pl.String, rating: pl.Float64, time: pl.Float64}
    cells = pl.DataFrame([field_column(rows, name, dtype) for name, dtype in dtypes.items()])
    columns = {
        "user": Column(user, "id"),
        "item": Column(item, "id"),
        "rating": Column(rating, "rating"),
        "time": Column(time, "milliseconds" if release == 2023 else "seconds"),
    }
    return judged(cells, pl.Series(lines, dtype=pl.Int64), columns, tally)


def _dated(row: dict[str, Any]) -> dict[str, Any]:
    """A review that has its day in words alone."""
    day = row.get("reviewTime")
    found = pl.Series([day if isinstance(day, str) else None], dtype=pl.String).str.to_date(_DAY, strict=False)[0]
    if found is None:
        return row
    return row | {"unixReviewTime": int(pl.Series([found]).cast(pl.Datetime("ms")).dt.epoch("s")[0])}
