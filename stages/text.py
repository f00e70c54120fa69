"""Texts to vectors."""

from typing import Literal

import polars as pl
from pydantic import Field

from engine.features.extraction import OutputTable, extract
from engine.features.settings import Doc2VecTraining, TextEncoder
from engine.features.text import doc2vec
from engine.features.text.extractor import Texts
from engine.tables import store
from engine.tables.command import run
from engine.tables.layout import Layout
from engine.tables.schemas import CATALOG, VECTORS, WORDS
from engine.tables.settings import Record, Seed


class Text(TextEncoder):
    """How texts become vectors."""

    width: int = Field(0, ge=0, description="principal components kept of a vector; 0: the vector as it is")
    doc2vec: Doc2VecTraining = Field(
        default_factory=Doc2VecTraining, description="of paragraph vectors, with encoder: doc2vec"
    )


class Params(Record):
    """What dvc.yaml declares."""

    text: Text = Field(description="vectors of words and of whole texts")
    device: Literal["auto", "cpu", "cuda"] = Field(description="where the network runs")
    seed: Seed = Field(description="of doc2vec's weights")


def main(params: Params, layout: Layout) -> None:
    """Turn each text into a vector a word, with its span in the text, and one for the whole.

    `text.encoder`: minilm, or any Hugging Face BERT by name or folder; doc2vec is learnt from the texts themselves;
    none skips. Word pieces are merged to words by their mean; signs are no words. An item without words gets no row;
    the tables' metadata count them.
    """
    settings = params.text
    if settings.encoder == "none":
        store.write(pl.DataFrame(schema=dict(WORDS.columns)), layout.words, WORDS, {"encoder": "none"})
        store.write(pl.DataFrame(schema=dict(VECTORS.columns)), layout.text, VECTORS, {"encoder": "none"})
        return
    outputs = {
        "text": OutputTable(layout.text, VECTORS, "vector", settings.width, {}),
        "words": OutputTable(layout.words, WORDS, "word", settings.width, {"limit": settings.limit}),
    }
    encoder = TextEncoder(**settings.model_dump(include=set(TextEncoder.model_fields)))
    if settings.encoder == "doc2vec":
        doc2vec.learn(settings.doc2vec, encoder, params.seed, layout.catalog, outputs)
    else:
        extract(Texts(encoder, params.device), layout.catalog, CATALOG, ["item", "text"], outputs)


if __name__ == "__main__":
    run(main)
