"""Paragraph vectors (Le and Mikolov 2014): doc2vec through gensim, learnt from the texts themselves."""

from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl
from gensim.models.doc2vec import Doc2Vec, TaggedDocument
from numpy.typing import NDArray

from engine.features.extraction import Target
from engine.features.projection import half, reduced
from engine.features.text.bert import Said
from engine.features.text.passages import Reading, frames
from engine.features.text.tokens import spans
from engine.tables import store
from engine.tables.schemas import CATALOG
from engine.tables.settings import Record


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
    kept = {item: [i for i, word in enumerate(words) if word in model.wv] for item, words in tokens.items()}
    kept = {item: places[: reading.limit or None] for item, places in kept.items() if places}
    meta = {"encoder": "doc2vec", "gensim": version("gensim"), "seed": seed, **learning.model_dump()}
    meta |= {"texts": len(texts), "wordless": len(texts) - len(kept), "words": "static"}
    made = {}
    if kept:
        known = {item: found[item][places] for item, places in kept.items()}
        made = frames(np.array(list(kept)), _said(model, texts, known))
    for name, target in targets.items():
        with reduced(target.path, target.table, target.column, target.width, meta | target.meta) as put:
            if made:
                put(made[name])


def _said(model: Doc2Vec, texts: dict[int, str], known: dict[int, NDArray[np.int64]]) -> Said:
    """What the model learnt of the texts and words known to it, by where the words start and end."""
    length_U, span_N2 = np.array([len(each) for each in known.values()]), np.concatenate(list(known.values()))
    item_N = np.repeat(list(known), length_U).tolist()
    token = [texts[item][a:b] for item, (a, b) in zip(item_N, span_N2.tolist(), strict=True)]
    word_ND, vector_UD = model.wv[[word.lower() for word in token]], np.stack([model.dv[item] for item in known])
    vectors = half(word_ND, "doc2vec"), half(vector_UD, "doc2vec")
    return Said(np.arange(len(known)), length_U, token, span_N2.astype(np.uint32), *vectors)
