"""Paragraph vectors (Le and Mikolov 2014): doc2vec through gensim, learnt from the texts themselves."""

from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl
from gensim.models.doc2vec import Doc2Vec, TaggedDocument

from engine import language, store
from engine.extraction import Target
from engine.params import Record
from engine.passages import Reading, frames
from engine.projection import reduced
from engine.tables import CATALOG
from engine.tokens import spans


class Learning(Record):
    """Of doc2vec: width, words before and after, least times that a word must occur, passes over the texts."""

    dim: int
    window: int
    minimum: int
    epochs: int


def learn(learning: Learning, reading: Reading, seed: int, catalog: Path, targets: dict[str, Target]) -> None:
    """A vector a text and, from the same distributed-memory model, one a word: the same wherever the word stands.

    Texts are learnt from as a whole catalogue, no interaction is seen. One thread and a seed leave the same tables
    each time; a word that the model does not know is left out, and a text without any it knows gets no row.

    Raises:
        ValueError: it is to run on Ray, or no word occurs often enough.
    """
    if reading.engine != "local":
        raise ValueError("text.encoder doc2vec learns in one process: set text.engine to local")
    written = store.read(catalog, CATALOG, ["item", "text"]).filter(pl.col("text").str.strip_chars() != "")
    texts = dict(zip(written["item"].to_list(), written["text"].to_list(), strict=True))
    found = {item: spans(text) for item, text in texts.items()}
    tokens = {item: [texts[item][a:b].lower() for a, b in span_N2] for item, span_N2 in found.items()}
    model = Doc2Vec(
        dm=1, vector_size=learning.dim, window=learning.window, min_count=learning.minimum, epochs=learning.epochs,
        seed=seed, workers=1,
    )  # fmt: skip
    corpus = [TaggedDocument(words, [item]) for item, words in tokens.items() if words]
    if corpus:
        model.build_vocab(corpus)
        if not len(model.wv):
            raise ValueError(f"text.doc2vec.minimum is {learning.minimum}: no word of {catalog} occurs so often")
        model.train(corpus, total_examples=model.corpus_count, epochs=model.epochs)
    said = {}
    for item, words in tokens.items():
        known = [i for i, word in enumerate(words) if word in model.wv]
        if known:
            kept = known[: reading.limit or None]
            span_N2 = found[item][kept].astype(np.uint32)
            token = [texts[item][a:b] for a, b in span_N2]
            said[item] = language.Reading(token, span_N2, model.wv[[words[i] for i in kept]], model.dv[item])
    meta = {"encoder": "doc2vec", "gensim": version("gensim"), "seed": seed, **learning.model_dump()}
    meta |= {"texts": len(texts), "wordless": len(texts) - len(said), "words": "static"}
    for name, frame in frames(said).items():
        target = targets[name]
        with reduced(target.path, target.table, target.column, target.width, meta | target.meta) as put:
            if frame.height:
                put(frame)
