"""Texts through a BERT: how the extraction reads them, on any machine."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import torch

from engine.features.device import arithmetic, place
from engine.features.parts import Engine, Part, Plan, Reader
from engine.features.text.bert import Language, Said
from engine.features.text.tokens import Tokens
from engine.tables import arrays
from engine.tables.schemas import VECTORS, WORDS

ROWS = 1024  # texts that are sorted by length together and written together


class Reading(Engine):
    """`limit`: words kept a text (0: all); `tokens`: read a text; `batch_tokens`: a batch (0: as suits the device)."""

    encoder: str
    limit: int
    tokens: int
    batch_tokens: int
    precision: Literal["auto", "fp32", "bf16", "fp16"]


Prepared = tuple[pl.DataFrame, Callable[[], Tokens]]


class Texts(Reader):
    """Texts through a network; a thread finds the words ahead of an accelerator.

    On a processor it would hold up the network's own threads for longer than the work takes.
    """

    def __init__(self, reading: Reading, device: torch.device):
        dtype = arithmetic(reading.precision, device)
        self.language = Language(reading.encoder, reading.tokens, device, dtype)
        # on a processor what a core works on fits its cache
        share = (512 if dtype is torch.float32 else 2048) * min(torch.get_num_threads(), 8)
        fits = 16384 if device.type == "cuda" else share
        self.budget, self.limit = reading.batch_tokens or fits, reading.limit
        self.meta = {**self.language.meta, "precision": str(dtype).removeprefix("torch.")}
        self.pool = ThreadPoolExecutor(1) if device.type == "cuda" else None

    def prepare(self, frame: pl.DataFrame) -> Prepared:
        written = frame.filter(pl.col("text").str.strip_chars() != "").select("item", "text")
        tokenize = partial(self.language.tokenize, written["text"].to_list(), self.limit)
        return written, self.pool.submit(tokenize).result if self.pool else tokenize

    def read(self, prepared: Prepared) -> Part:
        written, tokenized = prepared
        tokens = tokenized()
        said = self.language.answer(tokens, self.budget)
        counts = {"texts": written.height, "wordless": written.height - len(said.text_U), "cut": tokens.cut}
        return Part(frames(written["item"].to_numpy(), said), counts, self.meta)


@dataclass(frozen=True)
class Passages(Plan):
    """What a BERT says of each word and of the whole text."""

    reading: Reading
    device: str

    @property
    def engine(self) -> Engine:
        return self.reading

    @property
    def rows(self) -> int:
        return ROWS

    @property
    def weights(self) -> Path:
        return Path(self.reading.encoder)

    @property
    def accelerated(self) -> bool:
        return place(self.device).type == "cuda"

    def load(self) -> Texts:
        return Texts(self.reading, place(self.device))


def frames(item_T: np.ndarray, said: Said) -> dict[str, pl.DataFrame]:
    """What was said of each item's text as rows of a table of words and of one of whole texts."""
    if not len(said.text_U):
        return {"text": pl.DataFrame(schema=dict(VECTORS.columns)), "words": pl.DataFrame(schema=dict(WORDS.columns))}
    item_U = item_T[said.text_U].astype(np.uint32)
    words = {
        "item": item_U,
        "token": arrays.lists(pl.Series(said.token), said.length_U),
        "span": arrays.lists(said.span_N2, said.length_U),
        "word": arrays.lists(said.word_ND, said.length_U),
    }
    return {"text": pl.DataFrame({"item": item_U, "vector": said.vector_UD}), "words": pl.DataFrame(words)}
