"""Pinterest's categories: what each board is about, and so each picture."""

from codecs import BOM_UTF8
from pathlib import Path

import polars as pl

from stages.ingest.reading import plain_text
from stages.ingest.reading.bson_documents import ID, read_documents
from stages.ingest.reading.columns import Tally
from stages.ingest.reading.text_cleaning import decode


def board_labels(path: Path, names: Path, allowed: float) -> tuple[pl.DataFrame, int | float]:
    """Each board's category. `cate_id` counts the lines of categories.txt from 1; a line without a name names none."""
    lines = _lines(names)
    tally = Tally(path, "record")
    found: dict[str, str] = {}
    for number, one in read_documents(path, tally, {"board_id": ID, "cate_id": ID}, ("board_id", "cate_id")):
        board, code = str(one["board_id"]).strip(), str(one["cate_id"])
        label = lines[int(code) - 1] if code.isascii() and code.isdigit() and 1 <= int(code) <= len(lines) else ""
        if not label:
            tally.add(number, f"cate_id: {code:.20} is no line of {names.name}, which has {len(lines)}", rows=0)
            tally.bad += 1
        elif found.setdefault(board, label) != label:
            tally.add(number, f"board {board} is of {label} here and of {found[board]} before", rows=0)
            tally.bad += 1
    table = {"board": list(found), "label": list(found.values())}
    return pl.DataFrame(table, schema=dict.fromkeys(table, pl.String)), tally.settle(allowed)["bad_rows"]


def _lines(names: Path) -> list[str]:
    plain_text.refuse_other(names)
    return [line.strip() for line in decode(names.read_bytes().removeprefix(BOM_UTF8)).splitlines()]


def picture_categories(events: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """item and one path of one step: what most of its boards are about; ties go to the name that sorts first."""
    counted = events.unique(["board", "item"]).join(labels, on="board").group_by("item", "label").len()
    first = counted.sort("len", "label", descending=[True, False]).unique("item", keep="first", maintain_order=True)
    return first.select("item", categories=pl.concat_list("label").list.eval(pl.concat_list(pl.element())))
