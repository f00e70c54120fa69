"""Texts to vectors."""

from pathlib import Path
from typing import Literal

import polars as pl

from engine import paragraphs, store
from engine.extraction import Target, extract
from engine.params import Record, run
from engine.passages import Passages, Reading
from engine.tables import CATALOG, VECTORS, WORDS


class Text(Reading):
    """Of a BERT as `engine.passages.Reading`; `doc2vec` is read when `encoder` is that; `width` reduces either."""

    width: int
    doc2vec: paragraphs.Learning


class Params(Record):
    """What dvc.yaml declares."""

    text: Text
    device: Literal["auto", "cpu", "cuda"]
    seed: int


def main(params: Params, catalog: Path, words: Path, out: Path) -> None:
    """Say what a BERT reads in each text: a vector a word with its span in the text, and one for the whole.

    `text.encoder`: minilm, or any Hugging Face BERT by name or folder; doc2vec is learnt from the texts themselves;
    none skips. Word pieces are merged to words by their mean; signs are no words. An item without words gets no row;
    the tables' metadata count them.
    """
    settings = params.text
    if settings.encoder == "none":
        store.write(pl.DataFrame(schema=dict(WORDS.columns)), words, WORDS, {"encoder": "none"})
        store.write(pl.DataFrame(schema=dict(VECTORS.columns)), out, VECTORS, {"encoder": "none"})
        return
    targets = {
        "text": Target(out, VECTORS, "vector", settings.width, {}),
        "words": Target(words, WORDS, "word", settings.width, {"limit": settings.limit}),
    }
    reading = Reading(**settings.model_dump(include=set(Reading.model_fields)))
    if settings.encoder == "doc2vec":
        paragraphs.learn(settings.doc2vec, reading, params.seed, catalog, targets)
    else:
        extract(Passages(reading, params.device), catalog, CATALOG, ["item", "text"], targets)


if __name__ == "__main__":
    run(main)
