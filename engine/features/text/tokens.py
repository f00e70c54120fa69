"""Texts as a network takes them: tokens, longest text first, and which of them make up each word."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from engine.tables.letters import MARKS, UNSPACED

# letters with their marks and digits, joined by apostrophes and hyphens; scripts without spaces give a word a character
_RUN = rf"[^\W_{UNSPACED}](?:[^\W_{UNSPACED}]|[{MARKS}])*"
_WORD = re.compile(rf"(?=\w)[{UNSPACED}][{MARKS}]*|{_RUN}(?:['’‑-]{_RUN})*")


@dataclass(frozen=True)
class Tokens:
    """Texts as a network reads them: ids, how many were cut off, and which of their tokens make up each word.

    Words lie in a row: `token`, `span_N2` (start, end), those of text t from `word_T[t]` on; so do the word pieces:
    `place_X` (of the text's tokens), those of word n from `piece_N[n]` on.
    """

    ids: list[list[int]]
    cut: int
    token: list[str]
    span_N2: NDArray[np.uint32]
    word_T: NDArray[np.int64]
    place_X: NDArray[np.int64]
    piece_N: NDArray[np.int64]

    @classmethod
    def of(
        cls, texts: list[str], ids: list[list[int]], piece: list[list[tuple[int, int]]], limit: int, cut: int
    ) -> "Tokens":
        """From each token's start and end in its text; the first `limit` words of each text (0: all)."""
        text_P, piece_P2 = _owners(ids), _pairs(piece)
        found = [[match.span() for match in islice(_WORD.finditer(text), limit or None)] for text in texts]
        text_S, span_S2 = _owners(found), _pairs(found)
        # a word beyond the last token read is left out; so is a token that lies in no word
        far = 1 + max(int(span_S2.max(initial=0)), int(piece_P2.max(initial=0)))
        word_P = np.searchsorted(text_S * far + span_S2[:, 0], text_P * far + piece_P2[:, 0], side="right") - 1
        kept = np.flatnonzero((word_P >= 0) & (piece_P2[:, 1] > piece_P2[:, 0]))
        word_K = word_P[kept]
        kept = kept[(text_S[word_K] == text_P[kept]) & (piece_P2[kept, 0] < span_S2[word_K, 1])]
        read_N, piece_N = np.unique(word_P[kept], return_index=True)
        span_N2, text_N = span_S2[read_N], text_S[read_N]
        token = [texts[u][a:b] for u, a, b in zip(text_N.tolist(), *span_N2.T.tolist(), strict=True)]
        place_P = np.arange(len(text_P)) - np.searchsorted(text_P, text_P)
        return cls(
            ids, cut, token, span_N2.astype(np.uint32), np.searchsorted(text_N, np.arange(len(ids) + 1)),
            place_P[kept], np.append(piece_N, len(kept)),
        )  # fmt: skip

    def words(self, batch: list[int], width: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Of texts padded to `width` tokens: their words, the pieces of those in a row [X], where each begins."""
        row_N, piece_T = _runs(self.word_T, batch), self.piece_N[self.word_T]
        row_X = np.repeat(np.arange(len(batch)), np.diff(piece_T)[batch])
        many_N = np.diff(self.piece_N)[row_N]
        return row_N, self.place_X[_runs(piece_T, batch)] + row_X * width, many_N.cumsum() - many_N


def word_spans(text: str) -> NDArray[np.int64]:
    """Start and end [N, 2] of each word."""
    return _pairs([[match.span() for match in _WORD.finditer(text)]])


def length_batches(lengths: list[int], budget: int) -> Iterator[list[int]]:
    """Places of texts, longest first, as many at a time as keep their padded tokens within `budget` (at least one)."""
    order, start = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)), 0
    while start < len(order):
        many = max(budget // lengths[order[start]], 1)
        yield order[start : start + many]
        start += many


def _runs(first_T: NDArray[np.int64], which: list[int]) -> NDArray[np.int64]:
    """Places of the runs named, of which run t begins at `first_T[t]`."""
    return np.concatenate([np.arange(first_T[t], first_T[t + 1]) for t in which])


def _owners(lists: Sequence[Sequence[object]]) -> NDArray[np.int64]:
    """For each entry of the lists in a row, which list it is of."""
    return np.repeat(np.arange(len(lists)), np.array([len(each) for each in lists], np.int64))


def _pairs(found: Iterable[list[tuple[int, int]]]) -> NDArray[np.int64]:
    return np.fromiter(chain.from_iterable(chain.from_iterable(found)), np.int64).reshape(-1, 2)
