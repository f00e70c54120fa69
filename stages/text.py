"""Texts to vectors."""

import sys
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from rich.progress import Progress

from engine import projection, store
from engine.device import arithmetic, place
from engine.language import Language, Reading
from engine.params import Record, run
from engine.tables import CATALOG, VECTORS, WORDS

_GROUP = 1024  # texts that are sorted by length together and written together


class Text(Record):
    """`limit`: words kept a text (0: all); `tokens`: read a text; `batch_tokens`: a batch (0: as suits the device)."""

    encoder: str
    limit: int
    tokens: int
    width: int
    batch_tokens: int
    precision: Literal["auto", "fp32", "bf16", "fp16"]


class Params(Record):
    """What dvc.yaml declares."""

    text: Text
    device: Literal["auto", "cpu", "cuda"]


def main(params: Params, catalog: Path, words: Path, out: Path) -> None:
    """Say what a BERT reads in each text: a vector a word with its span in the text, and one for the whole.

    `text.encoder`: minilm, or any Hugging Face BERT by name or folder; none skips. Word pieces are merged to words
    by their mean; signs are no words. An item without words gets no row; the tables' metadata count them.
    """
    settings = params.text
    if settings.encoder == "none":
        store.write(pl.DataFrame(schema=dict(WORDS.columns)), words, WORDS, {"encoder": "none"})
        store.write(pl.DataFrame(schema=dict(VECTORS.columns)), out, VECTORS, {"encoder": "none"})
        return
    device = place(params.device)
    dtype = arithmetic(settings.precision, device)
    language = Language(settings.encoder, settings.tokens, device, dtype)
    budget = settings.batch_tokens or (16384 if device.type == "cuda" else 512)
    kind = str(dtype).removeprefix("torch.")
    counts = {"texts": 0, "wordless": 0, "cut": 0}
    word_meta: dict[str, Any] = {**language.meta, "limit": settings.limit, "precision": kind}
    text_meta: dict[str, Any] = {**language.meta, "precision": kind}
    with (
        projection.reduced(words, WORDS, "word", settings.width, word_meta) as put_words,
        projection.reduced(out, VECTORS, "vector", settings.width, text_meta) as put_text,
        Progress(transient=True, disable=not sys.stdout.isatty()) as bar,
    ):
        task = bar.add_task(f"texts through {settings.encoder}", total=store.height(catalog))
        for frame in store.read_groups(catalog, CATALOG, _GROUP):
            written = frame.filter(pl.col("text").str.strip_chars() != "").select("item", "text")
            readings = language.read(written["text"].to_list(), settings.limit, budget)
            kept = [reading for reading in readings if reading is not None]
            item_U = written["item"].filter(pl.Series([reading is not None for reading in readings], dtype=pl.Boolean))
            counts["texts"] += len(readings)
            counts["wordless"] += len(readings) - len(kept)
            counts["cut"] = language.cut
            word_meta |= counts
            text_meta |= counts
            if kept:
                put_words(_words(item_U, kept))
                vector_UD = projection.half(np.stack([reading.vector_D for reading in kept]), f"item {item_U[0]} on")
                put_text(pl.DataFrame({"item": item_U, "vector": vector_UD}))
            bar.advance(task, frame.height)


def _words(item_U: pl.Series, kept: list[Reading]) -> pl.DataFrame:
    length_U = np.array([len(reading.token) for reading in kept])
    word_XD = projection.half(np.concatenate([reading.word_ND for reading in kept]), f"item {item_U[0]} on")
    return pl.DataFrame(
        {
            "item": item_U,
            "token": [reading.token for reading in kept],
            "span": store.lists(np.concatenate([reading.span_N2 for reading in kept]), length_U),
            "word": store.lists(word_XD, length_U),
        }
    )


if __name__ == "__main__":
    run(main)
