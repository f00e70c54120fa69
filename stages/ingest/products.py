"""Amazon's products, a record a line, as items with category paths, texts and the address of a picture."""

import html
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import polars as pl
import pyarrow as pa

from stages.ingest.fields import sound
from stages.ingest.records import Rows
from stages.ingest.releases import PRODUCT
from stages.ingest.rows import Tally

_PRICE = re.compile(r"\$?\d[\d,]*(\.\d+)?( ?- ?\$?\d[\d,]*(\.\d+)?)?")  # dumps hold style sheets in its place
_ADDRESS = re.compile(r"https?://[^\s\"'<>]+")
_SIZES = ("hi_res", "large", "thumb")
_SCHEMA: dict[str, Any] = {
    "line": pa.int64(),
    "item": pa.large_string(),
    "title": pa.large_string(),
    "categories": pa.large_list(pa.large_list(pa.large_string())),
    "text": pa.large_string(),
    "picture": pa.large_string(),
}


def fields(release: int) -> frozenset[str]:
    """The fields that are read."""
    return frozenset(PRODUCT[release])


def shaped(rows: Rows, lines: list[int], tally: Tally, release: int, text: Sequence[str]) -> pl.DataFrame:
    """line, item, title, categories, text (the fields of that name that are there, a line each), picture (address)."""
    key = "parent_asin" if release == 2023 else "asin"
    if release == 2023:
        rows = [row if "parent_asin" in row or "asin" not in row else row | {key: row["asin"]} for row in rows]
    rows, lines = sound(rows, lines, tally, PRODUCT[release], [key])
    found: list[tuple[Any, ...]] = []
    for row, line in zip(rows, lines, strict=True):
        item, paths = row[key].strip(), _paths(row, release)
        if not item or paths is None:
            tally.add(line, f"{key}: no id there" if not item else "categories: expected lists of names")
            continue
        title = _clean(row.get("title") or "")
        parts = [title if name == "title" else _part(name, row, release, paths) for name in text]
        written = "\n".join([part for part in parts if part])
        found.append((line, item, title or None, paths or None, written or None, _picture(row, release)))
    tally.rows += len(found)
    # Arrow builds nested lists from objects many times faster than polars
    columns = list(zip(*found, strict=True)) if found else [()] * len(_SCHEMA)
    arrays = {name: pa.array(columns[place], kind) for place, (name, kind) in enumerate(_SCHEMA.items())}
    return pl.DataFrame({name: pl.Series(array) for name, array in arrays.items()})


def once(found: pl.DataFrame, tally: Tally) -> tuple[pl.DataFrame, int]:
    """The first record of each product; equal ones are counted, one that says something else is a bad row."""
    if found["item"].n_unique() == found.height:
        return found.drop("line"), 0
    again = found.filter(~pl.col("item").is_first_distinct())
    first = found.filter(pl.col("item").is_first_distinct())
    names = ["item", "title", "categories", "text", "picture"]
    other = again.join(first.select(names), on=names, how="anti", nulls_equal=True)
    for line, item in other.sort("line").select("line", "item").iter_rows():
        tally.add(line, f"a second, other record of {item}", rows=0)
        tally.bad += 1
    return first.drop("line"), again.height - other.height


def _paths(row: dict[str, Any], release: int) -> list[list[str]] | None:
    """Category paths, root first; None where they are not what they should be."""
    found = row.get("category" if release == 2018 else "categories") or []
    if release != 2014:
        names = [found] if isinstance(found, str) else found
        main = row.get("main_category")
        found = [names or [main]] if names or main else []
    if any(type(path) is not list for path in found):
        return None
    try:
        paths = [_path(tuple(path)) for path in found]
    except TypeError:
        return None
    return [path for path in paths if path]


@lru_cache(1 << 14)
def _path(names: tuple[str, ...]) -> list[str]:
    """One path, its names cleaned; they are the same for many products.

    Raises:
        TypeError: a name is no text.
    """
    if any(type(name) is not str for name in names):
        raise TypeError(names)
    return [cleaned for name in names if (cleaned := _clean(name))]


def _part(name: str, row: dict[str, Any], release: int, paths: list[list[str]]) -> str:
    if name == "description":
        return _joined(row.get(name))
    if name == "features":
        return _joined(row.get("features" if release == 2023 else "feature"))
    if name == "categories":
        return ", ".join(dict.fromkeys(step for path in paths for step in path))
    if name == "price":
        price = str(row.get(name) or "").strip()
        return price if _PRICE.fullmatch(price) else ""
    return _clean(row.get("store" if name == "brand" and release == 2023 else name) or "")


def _joined(found: Any) -> str:
    if isinstance(found, str):
        return _clean(found)
    parts = found or []
    return " ".join(text for part in parts if isinstance(part, str) and (text := _clean(part)))


def _clean(text: str) -> str:
    return (html.unescape(text) if "&" in text and ";" in text else text).strip()


def _picture(row: dict[str, Any], release: int) -> str | None:
    """The address of its best picture, if that is one of the web."""
    if release == 2014:
        found = [row.get("imUrl")]
    elif release == 2018:
        lists = (row.get(name) or [] for name in ("imageURLHighRes", "imageURL", "image"))
        found = [address for one in lists for address in ([one] if isinstance(one, str) else one)]
    else:
        pictures = [one for one in row.get("images") or [] if isinstance(one, dict)]
        pictures.sort(key=lambda one: one.get("variant") != "MAIN")
        found = [one.get(size) for one in pictures for size in _SIZES]
    return next((a.strip() for a in found if isinstance(a, str) and _ADDRESS.fullmatch(a.strip())), None)
