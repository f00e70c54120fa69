"""A table of texts to tables of words and of whole texts, through a BERT."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import torch

from engine.features.device import own_device, resolve_device
from engine.features.extractor import Extracted, Extractor, ExtractorFactory
from engine.features.settings import TextEncoder
from engine.features.text.bert import Bert, TextVectors
from engine.features.text.tokens import Tokens
from engine.tables import arrays
from engine.tables.schemas import VECTORS, WORDS

ROWS = 1024  # texts that are sorted by length together and written together
Prepared = tuple[pl.DataFrame, Callable[[], Tokens]]


class TextExtractor(Extractor):
    """Rows of item and text; a thread finds the words ahead of an accelerator.

    On a processor it would hold up the network's own threads for longer than the work takes.
    """

    def __init__(self, encoder: TextEncoder, device: torch.device):
        self.bert, self.limit = Bert.load(encoder, device), encoder.limit
        self.meta = self.bert.meta
        self.pool = ThreadPoolExecutor(1) if device.type == "cuda" else None

    def prepare(self, frame: pl.DataFrame) -> Prepared:
        written = frame.filter(pl.col("text").str.strip_chars() != "").select("item", "text")
        tokenize = partial(self.bert.tokenize, written["text"].to_list(), self.limit)
        return written, self.pool.submit(tokenize).result if self.pool else tokenize

    def extract(self, prepared: Prepared) -> Extracted:
        written, tokenized = prepared
        tokens = tokenized()
        found = self.bert.embed(tokens)
        counts = {"texts": written.height, "wordless": written.height - len(found.text_U), "cut": tokens.cut}
        return Extracted(text_frames(written["item"].to_numpy(), found), counts, self.meta)


@dataclass(frozen=True)
class Texts(ExtractorFactory):
    """A vector of each word and of the whole of each text."""

    encoder: TextEncoder
    device: str

    @property
    def execution(self) -> TextEncoder:
        return self.encoder

    @property
    def rows(self) -> int:
        return ROWS

    @property
    def weights(self) -> Path:
        return Path(self.encoder.encoder)

    @property
    def accelerated(self) -> bool:
        return resolve_device(self.device).type == "cuda"

    def load(self) -> TextExtractor:
        return TextExtractor(self.encoder, own_device(self.device))


def text_frames(item_T: np.ndarray, found: TextVectors) -> dict[str, pl.DataFrame]:
    """The vectors of each item's text as rows of a table of words and of one of whole texts."""
    if not len(found.text_U):
        return {"text": pl.DataFrame(schema=dict(VECTORS.columns)), "words": pl.DataFrame(schema=dict(WORDS.columns))}
    item_U = item_T[found.text_U].astype(np.uint32)
    words = {
        "item": item_U,
        "token": arrays.lists(pl.Series(found.token), found.length_U),
        "span": arrays.lists(found.span_N2, found.length_U),
        "word": arrays.lists(found.word_ND, found.length_U),
    }
    return {"text": pl.DataFrame({"item": item_U, "vector": found.vector_UD}), "words": pl.DataFrame(words)}
