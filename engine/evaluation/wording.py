"""What was found to speak for items, said in sentences: titles, and words that are worth naming."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.evaluation.cause import Causes
from engine.evaluation.sentence import sentence


@dataclass(frozen=True)
class Wording:
    """title_N of each item, the words by number (0: none), and the number of each word of the catalog's flat table:
    term_X, 0 for one that is not worth naming; None where the model reads no words. `picture`: what one is called.
    """

    title_N: list[str]
    words: list[str]
    term_X: Tensor | None
    picture: str = "picture"

    @staticmethod
    def of(
        title_N: list[str], words: list[str], term_X: np.ndarray | None, picture: str, device: str = "cpu"
    ) -> "Wording":
        """From what the tables call things (`engine.tables.terms.naming`)."""
        return Wording(title_N, words, None if term_X is None else torch.from_numpy(term_X).to(device), picture)

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
