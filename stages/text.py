"""Texts to vectors."""

from typing import Literal

import polars as pl

from engine.features.extraction import Target, extract
from engine.features.text import doc2vec
from engine.features.text.passages import Passages, Reading
from engine.tables import store
from engine.tables.command import run
from engine.tables.layout import Layout
from engine.tables.schemas import CATALOG, VECTORS, WORDS
from engine.tables.settings import Record


class Text(Reading):
    """Of a BERT as `passages.Reading`; `doc2vec` is read when `encoder` is that; `width` reduces either."""

    width: int
    doc2vec: doc2vec.Learning


class Params(Record):
    """What dvc.yaml declares."""

    text: Text
    device: Literal["auto", "cpu", "cuda"]
    seed: int


def main(params: Params, layout: Layout) -> None:
    """Say what a BERT reads in each text: a vector a word with its span in the text, and one for the whole.

    `text.encoder`: minilm, or any Hugging Face BERT by name or folder; doc2vec is learnt from the texts themselves;
    none skips. Word pieces are merged to words by their mean; signs are no words. An item without words gets no row;
    the tables' metadata count them.
    """
    settings = params.text
    if settings.encoder == "none":
        store.write(pl.DataFrame(schema=dict(WORDS.columns)), layout.words, WORDS, {"encoder": "none"})
        store.write(pl.DataFrame(schema=dict(VECTORS.columns)), layout.text, VECTORS, {"encoder": "none"})
        return
    targets = {
        "text": Target(layout.text, VECTORS, "vector", settings.width, {}),
        "words": Target(layout.words, WORDS, "word", settings.width, {"limit": settings.limit}),
    }
    reading = Reading(**settings.model_dump(include=set(Reading.model_fields)))
    if settings.encoder == "doc2vec":
        doc2vec.learn(settings.doc2vec, reading, params.seed, layout.catalog, targets)
    else:
        extract(Passages(reading, params.device), layout.catalog, CATALOG, ["item", "text"], targets)


if __name__ == "__main__":
    run(main)
