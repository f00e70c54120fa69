"""Paragraph vectors (Le and Mikolov 2014): doc2vec through gensim, learnt from the texts themselves."""

import logging
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl
from gensim.models.doc2vec import Doc2Vec, TaggedDocument
from numpy.typing import NDArray

from engine.features.device import to_half
from engine.features.extraction import OutputTable
from engine.features.projection import reduced_groups, refuse_not_finite
from engine.features.settings import Doc2VecTraining, TextEncoder
from engine.features.text.bert import TextVectors
from engine.features.text.extractor import text_frames
from engine.features.text.tokens import word_spans
from engine.tables import store
from engine.tables.letters import folded
from engine.tables.schemas import CATALOG


def learn(
    settings: Doc2VecTraining, encoder: TextEncoder, seed: int, catalog: Path, outputs: dict[str, OutputTable]
) -> None:
    """A vector a text and, from the same distributed-memory model, one a word: the same wherever the word stands.

    Texts are learnt from as a whole catalogue, no interaction is seen. One thread and a seed leave the same tables
    each time; a word that the model does not know is left out, and a text without any it knows gets no row.

    Raises:
        ValueError: it is to run on Ray, or no word occurs often enough.
    """
    if encoder.engine != "local":
        raise ValueError("text.encoder doc2vec learns in one process: set contents.<content>.text.engine to local")
    written = store.read(catalog, CATALOG, ["item", "text"]).filter(pl.col("text").str.strip_chars() != "")
    texts = dict(zip(written["item"].to_list(), written["text"].to_list(), strict=True))
    found = {item: word_spans(text) for item, text in texts.items()}
    tokens = {item: [folded(texts[item][a:b]) for a, b in span_N2] for item, span_N2 in found.items()}
    logging.getLogger("gensim").setLevel(logging.WARNING)  # it tells of each pass
    model = Doc2Vec(
        dm=1, vector_size=settings.dim, window=settings.window, min_count=settings.minimum, epochs=settings.epochs,
        seed=seed, workers=1,
    )  # fmt: skip
    corpus = [TaggedDocument(words, [item]) for item, words in tokens.items() if words]
    if corpus:
        model.build_vocab(corpus)
        if not len(model.wv):
            raise ValueError(f"text.doc2vec.minimum is {settings.minimum}: no word of {catalog} occurs so often")
        model.train(corpus, total_examples=model.corpus_count, epochs=model.epochs)
    kept = {item: [i for i, word in enumerate(words) if word in model.wv] for item, words in tokens.items()}
    kept = {item: places[: encoder.limit or None] for item, places in kept.items() if places}
    meta = {"encoder": "doc2vec", "gensim": version("gensim"), "seed": seed, **settings.model_dump()}
    meta |= {"texts": len(texts), "wordless": len(texts) - len(kept), "words": "static"}
    known = {item: found[item][places] for item, places in kept.items()}
    made = text_frames(np.array(list(kept)), _vectors(model, texts, known)) if kept else {}
    for name, output in outputs.items():
        with reduced_groups(output.path, output.table, output.column, output.width, meta | output.meta) as put:
            if made:
                refuse_not_finite(made[name], output.column, output.path)
                put(made[name])


def _vectors(model: Doc2Vec, texts: dict[int, str], known: dict[int, NDArray[np.int64]]) -> TextVectors:
    """The learnt vectors of texts and of the words known to the model, by where the words start and end."""
    length_U, span_N2 = np.array([len(each) for each in known.values()]), np.concatenate(list(known.values()))
    item_N = np.repeat(list(known), length_U).tolist()
    token = [texts[item][a:b] for item, (a, b) in zip(item_N, span_N2.tolist(), strict=True)]
    word_ND, vector_UD = model.wv[[folded(word) for word in token]], np.stack([model.dv[item] for item in known])
    vectors = to_half(word_ND, "doc2vec"), to_half(vector_UD, "doc2vec")
    return TextVectors(np.arange(len(known)), length_U, token, span_N2.astype(np.uint32), *vectors)
