"""Amazon's products, a record a line, as items with category paths, texts and the address of a picture."""

import re
from collections.abc import Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from stages.ingest.reading.columns import Tally
from stages.ingest.reading.record_fields import Records, id_fault, valid_records
from stages.ingest.reading.text_cleaning import ADDRESS, clean, clean_join, clean_path, is_page_source
from stages.ingest.sources.amazon.releases import PRODUCT, other_release

_PRICE = r"^\$?\d[\d,]*(\.\d+)?( ?- ?\$?\d[\d,]*(\.\d+)?)?$"  # dumps hold style sheets in its place
_SIZES = ("hi_res", "large", "thumb")
_TEXT = pa.large_string()
_SCHEMA: dict[str, Any] = {
    "line": pa.int64(),
    **dict.fromkeys(("item", "title", "brand", "price", "description", "features", "picture"), _TEXT),
    "categories": pa.large_list(pa.large_list(_TEXT)),
}


def product_table(rows: Records, lines: list[int], tally: Tally, release: int, text: Sequence[str]) -> pl.DataFrame:
    """line, item, title, categories, text (the fields of that name that are there, a line each), picture (address)."""
    key = "parent_asin" if release == 2023 else "asin"
    if release == 2023:
        rows = [row if "parent_asin" in row or "asin" not in row else row | {key: row["asin"]} for row in rows]
    rows, lines = valid_records(rows, lines, tally, PRODUCT[release], [key])
    found: list[dict[str, Any]] = []
    for row, line in zip(rows, lines, strict=True):
        item, names = row[key].strip(), _paths(row, release)
        fault = id_fault(key, item) or ("" if names is not None else "categories: expected lists of names")
        if not fault and (other := other_release(row, release)):
            fault = f"{other!r} is no field of {release}: `release` should be another year"
        if fault:
            tally.add(line, fault)
            continue
        found.append({"line": line, "item": item, "categories": names or None, **_words(row, release)})
    tally.rows += len(found)
    # Arrow builds nested lists from objects many times faster than polars
    arrays = {name: pa.array([row[name] for row in found], kind) for name, kind in _SCHEMA.items()}
    return _with_text(pl.DataFrame({name: pl.Series(array) for name, array in arrays.items()}), text)


def _with_text(found: pl.DataFrame, text: Sequence[str]) -> pl.DataFrame:
    """The fields `text` of each product, those that it has, a line each."""
    steps = pl.col("categories").list.eval(pl.element().explode()).list.unique(maintain_order=True)
    parts = {
        "price": pl.when(pl.col("price").str.contains(_PRICE)).then(pl.col("price")),
        "categories": pl.when(steps.list.len() > 0).then(steps.list.join(", ")),
    }
    fields = [parts.get(name, pl.col(name)) for name in text] or [pl.lit("")]
    written = pl.concat_str(fields, separator="\n", ignore_nulls=True)
    return found.select(
        "line",
        "item",
        "title",
        "categories",
        pl.when(written != "").then(written).alias("text"),
        "picture",
    )


def unique_products(found: pl.DataFrame, tally: Tally) -> tuple[pl.DataFrame, int]:
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
    if any(type(names) is not list for names in found):
        return None
    try:
        clean_paths = [clean_path(tuple(names)) for names in found]
    except TypeError:
        return None
    return [list(names) for names in dict.fromkeys(map(tuple, clean_paths)) if names]


def _words(row: dict[str, Any], release: int) -> dict[str, str | None]:
    """The fields that are text, clean; None where nothing is there."""
    price = row.get("price")
    found = {
        "title": _name(row.get("title")),
        "brand": _name(row.get("store" if release == 2023 else "brand")),
        "price": str((float(price) if release == 2014 else price) if price else "").strip(),
        "description": clean_join(row.get("description")),
        "features": clean_join(row.get("features" if release == 2023 else "feature")),
        "picture": _picture(row, release),
    }
    return {name: text or None for name, text in found.items()}


def _name(found: str | None) -> str:
    name = clean(found or "")
    return "" if is_page_source(name) else name


def _picture(row: dict[str, Any], release: int) -> str | None:
    """The address of its best picture, the first that is one of the web."""
    if release == 2014:
        found = [row.get("imUrl")]
    elif release == 2018:
        lists = (row.get(name) or [] for name in ("imageURLHighRes", "imageURL", "image"))
        found = [address for one in lists for address in ([one] if isinstance(one, str) else one)]
    else:
        pictures = [one for one in row.get("images") or [] if isinstance(one, dict)]
        pictures.sort(key=lambda one: one.get("variant") != "MAIN")
        found = [one.get(size) for one in pictures for size in _SIZES]
    return next((a.strip() for a in found if isinstance(a, str) and re.match(ADDRESS, a.strip())), None)
