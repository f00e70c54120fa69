"""How programs, databases (\\N) and spreadsheets (#N/A and their errors) write an empty cell."""

import polars as pl

from stages.ingest.reading.shares import warn_many

NOBODY = (  # as an id, in any case
    r"(?i)^(na|n/a|<na>|nan|(?-i:NaT)|null|none|nil|undefined|\\n|#(n/a|null!|ref!|value!|num!|name\?|div/0!))$"
)
NOTHING = r"^(nan|NaN|null|NULL|None|NA|N/A|n/a|<NA>|NaT|undefined|\\N|#N/A)$"  # as a text: "Nil" may be a title


def emptied(rows: pl.DataFrame, columns: dict[str, str], where: str) -> tuple[pl.DataFrame, int]:
    """Rows without words for nothing in place of a text, and how many there were. `columns`: ours, as the file `where`
    calls them.
    """
    count = 0
    for name, column in columns.items():
        words = rows[name].filter(rows[name].str.contains(NOTHING))
        count += len(words)
        said = f"says {words[:1].to_list()} in {len(words)} of {rows.height} rows, and counts as empty there"
        warn_many(len(words), rows.height, f"{where}: column {column!r} {said}")
        rows = rows.with_columns(pl.when(~pl.col(name).str.contains(NOTHING)).then(pl.col(name)).alias(name))
    return rows, count
