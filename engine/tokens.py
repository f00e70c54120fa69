"""Texts as a network takes them: tokens, longest text first, and which of them make up each word."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

# letters and digits, joined by apostrophes and hyphens; scripts without spaces give a word a character
_SPACELESS = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_LETTER = rf"[^\W_{_SPACELESS}]"
_WORD = re.compile(rf"[{_SPACELESS}]|{_LETTER}+(?:['’‑-]{_LETTER}+)*")


@dataclass(frozen=True)
class Tokens:
    """Texts sorted by length: their places as they were given (`order`), ids, and how many were cut off.

    Their words lie in a row: `token`, `span_N2` (start, end), those of text u from `word_U[u]` on; so do the word
    pieces: `place_X` (of the text's tokens), those of text u from `piece_U[u]`, of word n from `first_N[n]` on.
    """

    order: list[int]
    ids: list[list[int]]
    cut: int
    token: list[str]
    span_N2: NDArray[np.uint32]
    word_U: NDArray[np.int64]
    place_X: NDArray[np.int64]
    first_N: NDArray[np.int64]
    piece_U: NDArray[np.int64]

    @classmethod
    def of(
        cls, texts: list[str], ids: list[list[int]], piece: list[list[tuple[int, int]]], limit: int, cut: int
    ) -> "Tokens":
        """From each token's start and end in its text; the first `limit` words of each text (0: all)."""
        order = sorted(range(len(ids)), key=lambda i: (-len(ids[i]), i))
        ids, texts = [ids[i] for i in order], [texts[i] for i in order]
        length_U = np.array([len(each) for each in ids], np.int64)
        text_P, piece_P2 = np.repeat(np.arange(len(ids)), length_U), _pairs(piece[i] for i in order)
        found = [[match.span() for match in _WORD.finditer(text)][: limit or None] for text in texts]
        text_S, span_S2 = np.repeat(np.arange(len(ids)), [len(each) for each in found]), _pairs(found)
        # a word beyond the last token read is left out; so is a token that lies in no word
        far = 1 + max(int(span_S2.max(initial=0)), int(piece_P2.max(initial=0)))
        word_P = np.searchsorted(text_S * far + span_S2[:, 0], text_P * far + piece_P2[:, 0], side="right") - 1
        kept = np.flatnonzero((word_P >= 0) & (piece_P2[:, 1] > piece_P2[:, 0]))
        word_K = word_P[kept]
        kept = kept[(text_S[word_K] == text_P[kept]) & (piece_P2[kept, 0] < span_S2[word_K, 1])]
        read_N, first_N = np.unique(word_P[kept], return_index=True)
        upto_U = np.arange(len(ids) + 1)
        span_N2, text_N = span_S2[read_N], text_S[read_N]
        token = [texts[u][a:b] for u, (a, b) in zip(text_N.tolist(), span_N2.tolist(), strict=True)]
        place_P = np.arange(len(text_P)) - np.repeat(np.cumsum(length_U) - length_U, length_U)
        return cls(
            order, ids, cut, token, span_N2.astype(np.uint32), np.searchsorted(text_N, upto_U),
            place_P[kept], first_N, np.searchsorted(text_P[kept], upto_U),
        )  # fmt: skip

    def bags(self, start: int, stop: int, width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Of texts start to stop, padded to `width` tokens: each word's pieces in a row [X], where each begins [N]."""
        a, b = self.piece_U[start], self.piece_U[stop]
        row_X = np.repeat(np.arange(stop - start), np.diff(self.piece_U[start : stop + 1]))
        return self.place_X[a:b] + row_X * width, self.first_N[self.word_U[start] : self.word_U[stop]] - a


def spans(text: str) -> NDArray[np.int64]:
    """Start and end [N, 2] of each word."""
    return _pairs([[match.span() for match in _WORD.finditer(text)]])


def batches(lengths: list[int], budget: int) -> Iterator[list[int]]:
    """Places of texts, longest first, as many at a time as keep their padded tokens within `budget` (at least one)."""
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    while order:
        many = max(budget // lengths[order[0]], 1)
        yield order[:many]
        order = order[many:]


def _pairs(found: Iterable[list[tuple[int, int]]]) -> NDArray[np.int64]:
    return np.fromiter(chain.from_iterable(chain.from_iterable(found)), np.int64).reshape(-1, 2)
