"""Lines of a user and items with blanks or tabs between them."""

import re
from pathlib import Path

import polars as pl

from stages.ingest.reading import header, plain_text
from stages.ingest.reading.columns import Tally
from stages.ingest.reading.empty_cells import NOBODY

WHOLE = r"^(0|[1-9]\d{0,17})$"  # ids that are plain numbers are sorted as numbers
_AROUND = ", which would be parts of them; write blanks or tabs alone"
_LINES = re.compile(r"\r\n?|\n")  # \r alone ends lines too, as in a CSV


def read(tally: Tally, cells: int | None) -> pl.DataFrame:
    """line, user, items of each good line; another number of cells than asked for is bad, empty lines are none."""
    if not tally.path.exists():
        raise FileNotFoundError(f"{tally.path}: no such file")
    if not tally.path.is_file():
        raise ValueError(f"{tally.path}: no plain file")
    plain_text.refuse_other(tally.path)
    text = _LINES.split(tally.path.read_bytes().decode("utf-8-sig", errors="replace"))
    found = pl.DataFrame({"text": text}).with_row_index("line", offset=1)
    found = found.with_columns(cell=pl.col("text").str.extract_all(r"\S+")).filter(pl.col("cell").list.len() > 0)
    count = pl.col("cell").list.len()
    wanted = pl.lit("a user and items") if cells is None else pl.lit("a user and an item")
    unlike = (count < 2) if cells is None else (count != cells)
    found = found.with_columns(
        why=pl.when(pl.col("text").str.contains("\ufffd", literal=True))
        .then(pl.lit("not UTF-8 text; save the file as UTF-8"))
        .when(unlike)
        .then(pl.format("{} cells, expected {}, found '{}'", count, wanted, pl.col("text").str.slice(0, 40)))
        .when(pl.col("text").str.contains(r"[\p{Cc}--\s]"))
        .then(pl.lit("a control character in an id"))
        .when(pl.col("cell").list.eval(pl.element().str.contains(NOBODY)).list.any())
        .then(pl.lit("a word for nothing, which is no id"))
        .when(pl.col("text").str.contains(r"[,;](\s|$)|(^|\s)[\[(]"))
        .then(pl.lit(f"commas or brackets between ids{_AROUND}"))
        .when(pl.col("text").str.contains(r'(^|\s)"|"(\s|$)'))
        .then(pl.lit(f"quotes around ids{_AROUND}"))
    )
    for line, why in found.filter(pl.col("why").is_not_null()).select("line", "why").iter_rows():
        tally.add(line, why)
    good = found.filter(pl.col("why").is_null())
    _no_header(good, tally.path)
    tally.rows += good.height
    return good.select("line", user=pl.col("cell").list.first(), item=pl.col("cell").list.slice(1))


def _no_header(lines: pl.DataFrame, path: Path) -> None:
    """Refuse a first line of names: it would be read as a user."""
    if not lines.height:
        return
    first, rest = lines["cell"][0].to_list(), lines["cell"][1:].list.first()
    number = rest.str.contains(WHOLE)
    if header.is_header(first) or (len(rest) > 1 and number.all() and not any(map(str.isdigit, "".join(first)))):
        raise ValueError(f"{path} line {lines['line'][0]}: {header.shown(first)} names columns; remove the line")
