"""What items are called, and which of the words of their texts are worth naming, from the tables."""

from collections.abc import Collection

import numpy as np
import polars as pl

from engine.tables import store
from engine.tables.layout import Layout
from engine.tables.schemas import ITEMS, WORDS

COMMON = 0.1  # a word in the texts of more items than this share says little of any


def naming(layout: Layout, views: Collection[str]) -> tuple[list[str], list[str], np.ndarray | None]:
    """title_N of each item (its raw id where it has none; 0: ""), words by number (0: none), and the number of each
    word of the table of words, term_X; None where a model that reads such views reads no words.
    """
    items = store.read(layout.items, ITEMS, ["item", "raw", "title"])
    titles = ["", *items.select(pl.coalesce("title", "raw"))["title"].to_list()]
    if "words" not in views:
        return titles, [""], None
    return titles, *terms(store.read(layout.words, WORDS, ["item", "token"]))


def terms(frame: pl.DataFrame) -> tuple[list[str], np.ndarray]:
    """Words by number, in lower case, and the number of each token of the table, in its order.

    0 for what is not worth naming: no letters, under three of ASCII's, or in the texts of over a tenth of the items.
    """
    flat = frame.select("item", pl.col("token").list.eval(pl.element().str.to_lowercase()))
    flat = flat.filter(pl.col("token").list.len() > 0).explode("token")
    many = frame.filter(pl.col("token").list.len() > 0).height * COMMON
    kept = (
        flat.unique()
        .group_by("token")
        .len()
        .filter((pl.col("len") <= max(many, 1)) & pl.col("token").str.contains(r"^(?:[^\x00-\x7f]|[a-z]{3})"))
        .filter(pl.col("token").str.contains(r"^[\p{L}\p{M}'’-]+$"))
        .sort("token")
        .with_row_index("term", offset=1)
    )
    joined = flat.join(kept, on="token", how="left", maintain_order="left")
    return ["", *kept["token"].to_list()], joined["term"].fill_null(0).to_numpy().astype(np.int64)
