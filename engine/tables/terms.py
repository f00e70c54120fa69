"""Which of the words of items' texts are worth naming."""

import numpy as np
import polars as pl

COMMON = 0.1  # a word in the texts of more items than this share says little of any


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
