"""What the reasons of recommendations are called: titles, and words that are worth naming."""

from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from torch import Tensor

from engine.evaluation.cause import Causes
from engine.evaluation.sentence import sentence
from engine.tables import store
from engine.tables.layout import Layout
from engine.tables.schemas import ITEMS, WORDS
from engine.training.needs import Needs

COMMON = 0.1  # a word in the texts of more items than this share says little of any


@dataclass(frozen=True)
class Wording:
    """title_N of each item (its raw id where it has none), the words by number (0: none), and the number of each word
    of the catalog's flat table: term_X, 0 for one that is not worth naming; None where the model reads no words.
    `picture`: what a picture is called.
    """

    title_N: list[str]
    words: list[str]
    term_X: Tensor | None
    picture: str = "picture"

    @staticmethod
    def of(layout: Layout, needs: Needs, picture: str, device: str = "cpu") -> "Wording":
        """From the tables of the items and of their words."""
        items = store.read(layout.items, ITEMS, ["item", "raw", "title"])
        titles = items.select(pl.coalesce("title", "raw"))["title"].to_list()
        if "words" not in needs.views:
            return Wording(["", *titles], [""], None, picture)
        words, term_X = terms(store.read(layout.words, WORDS, ["item", "token"]))
        return Wording(["", *titles], words, torch.from_numpy(term_X).to(device), picture)

    def sentences(self, causes: Causes, item_BL: Tensor) -> list[str | None]:
        """One a row; None where there is no act to name."""
        place_B, act_BL = causes.place_B.tolist(), item_BL.tolist()
        found = zip(
            place_B, causes.term_BW.tolist(), causes.acts_BW.tolist(), causes.picture_B, causes.text_B, strict=True
        )
        return [
            sentence(
                self.title_N[act_BL[row][place]],
                [(self.words[term], count) for term, count in zip(terms, acts, strict=True) if term],
                bool(picture),
                bool(text),
                (self.picture, "text"),
            )
            if place >= 0
            else None
            for row, (place, terms, acts, picture, text) in enumerate(found)
        ]


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
