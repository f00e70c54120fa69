"""Texts through a BERT: how the extraction reads them, on any machine."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import pyarrow as pa
import torch

from engine import language, store
from engine.device import arithmetic, place
from engine.language import Language
from engine.parts import Engine, Part, Plan, Reader
from engine.projection import half
from engine.tables import VECTORS, WORDS
from engine.tokens import Tokens

ROWS = 1024  # texts that are sorted by length together and written together


class Reading(Engine):
    """`limit`: words kept a text (0: all); `tokens`: read a text; `batch_tokens`: a batch (0: as suits the device)."""

    encoder: str
    limit: int
    tokens: int
    batch_tokens: int
    precision: Literal["auto", "fp32", "bf16", "fp16"]


Prepared = tuple[pl.DataFrame, int, "Future[Tokens]"]


class Texts(Reader):
    """Texts through a network; words are found in them by threads ahead of it."""

    def __init__(self, reading: Reading, device: torch.device):
        dtype = arithmetic(reading.precision, device)
        self.language = Language(reading.encoder, reading.tokens, device, dtype)
        # on a processor what a core works on fits its cache
        share = (512 if dtype is torch.float32 else 2048) * min(torch.get_num_threads(), 8)
        fits = 16384 if device.type == "cuda" else share
        self.budget, self.limit = reading.batch_tokens or fits, reading.limit
        self.meta = {**self.language.meta, "precision": str(dtype).removeprefix("torch.")}
        self.pool = ThreadPoolExecutor(1)

    def prepare(self, frame: pl.DataFrame) -> Prepared:
        written = frame.filter(pl.col("text").str.strip_chars() != "").select("item", "text")
        return written, frame.height, self.pool.submit(self.language.tokenize, written["text"].to_list(), self.limit)

    def read(self, prepared: Prepared) -> Part:
        written, _, submitted = prepared
        tokens = submitted.result()
        readings = self.language.answer(tokens, self.budget)
        said = {item: r for item, r in zip(written["item"].to_list(), readings, strict=True) if r is not None}
        counts = {"texts": len(readings), "wordless": len(readings) - len(said), "cut": tokens.cut}
        return Part(frames(said), counts, self.meta)


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


def frames(said: dict[int, language.Reading]) -> dict[str, pl.DataFrame]:
    """Readings by item as rows of a table of words and of one of whole texts."""
    if not said:
        return {"text": pl.DataFrame(schema=dict(VECTORS.columns)), "words": pl.DataFrame(schema=dict(WORDS.columns))}
    item_U, readings = np.array(list(said), np.uint32), list(said.values())
    where = f"item {item_U[0]} on"
    length_U = np.array([len(reading.token) for reading in readings])
    word_XD = half(np.concatenate([reading.word_ND for reading in readings]), where)
    words = {
        "item": item_U,
        "token": _tokens(readings, length_U),
        "span": store.lists(np.concatenate([reading.span_N2 for reading in readings]), length_U),
        "word": store.lists(word_XD, length_U),
    }
    vector_UD = half(np.stack([reading.vector_D for reading in readings]), where)
    return {"text": pl.DataFrame({"item": item_U, "vector": vector_UD}), "words": pl.DataFrame(words)}


def _tokens(readings: list[language.Reading], length_U: np.ndarray) -> pl.Series:
    token = pa.array(list(chain.from_iterable(reading.token for reading in readings)), pa.large_string())
    offsets = pa.array(np.concatenate([[0], np.cumsum(length_U)]), pa.int64())
    return pl.Series(pl.from_arrow(pa.LargeListArray.from_arrays(offsets, token)))
