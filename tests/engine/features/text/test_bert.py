import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizerFast,
    GPT2Config,
    GPT2Model,
    PreTrainedModel,
    RobertaConfig,
    RobertaModel,
    T5Config,
    T5Model,
    ViTConfig,
    ViTModel,
)

from engine.features.settings import TextEncoder
from engine.features.text import bert
from engine.features.text.bert import Bert
from engine.features.text.tokens import length_batches, word_spans

TEXTS = [
    "Spider-Man doesn't sleep; a café, naïve.",
    "a",
    "the film of the year, a film of 1994",
    "... --- !!!",
    "film film film film film film film film film film",
]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT with drawn weights that splits `film` into fi ##lm."""
    folder = tmp_path_factory.mktemp("bert")
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"-.,;!'"]
    letters = [f"{mark}{letter}" for letter in "abcdefghijklmnopqrstuvwxyz0123456789" for mark in ("", "##")]
    (folder / "vocab.txt").write_text("\n".join([*marks, "fi", "##lm", "the", *letters]))
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    vocabulary = len(marks) + 3 + len(letters)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=vocabulary, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=64, initializer_range=0.5,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return folder


class One(NamedTuple):
    token: list[str]
    span_N2: np.ndarray
    word_ND: np.ndarray
    vector_D: np.ndarray


def read(found: Bert, texts: list[str], limit: int, budget: int) -> list[One | None]:
    """What was said of each text, None of one without a word."""
    found.budget = budget
    said = found.embed(found.tokenize(texts, limit))
    each: list[One | None] = [None] * len(texts)
    stop_U = said.length_U.cumsum()
    for text, start, stop, vector_D in zip(said.text_U, stop_U - said.length_U, stop_U, said.vector_UD, strict=True):
        each[text] = One(said.token[start:stop], said.span_N2[start:stop], said.word_ND[start:stop], vector_D)
    return each


def load(folder: Path | str, tokens: int = 64) -> Bert:
    return Bert.load(TextEncoder(encoder=str(folder), tokens=tokens, precision="fp32"), torch.device("cpu"))


def test_words_lie_where_their_spans_say(tiny: Path) -> None:
    readings = read(load(tiny), TEXTS, 0, 512)
    for text, reading in zip(TEXTS, readings, strict=True):
        if reading is not None:
            assert [text[a:b] for a, b in reading.span_N2] == reading.token
            assert reading.word_ND.shape == (len(reading.token), 16)
    assert readings[0] is not None
    assert readings[0].token == ["Spider-Man", "doesn't", "sleep", "a", "café", "naïve"]
    assert readings[3] is None


def test_pieces_are_averaged_and_the_whole_is_the_mean_of_tokens(tiny: Path) -> None:
    found = load(tiny)
    (reading,) = read(found, ["the film."], 0, 512)
    ids = torch.tensor([found.tokenizer("the film.")["input_ids"]])  # CLS the fi ##lm . SEP
    assert ids.shape == (1, 6)
    with torch.inference_mode():
        said_LD = found.network(ids).last_hidden_state[0].numpy()
    assert reading is not None
    for told_D, true_D in zip(
        [*reading.word_ND, reading.vector_D], [said_LD[1], said_LD[2:4].mean(0), said_LD.mean(0)], strict=True
    ):
        np.testing.assert_allclose(told_D, true_D, rtol=6e-4, atol=1e-5)  # as 16 bits hold it


def test_the_same_whatever_the_batch(tiny: Path) -> None:
    found = load(tiny)
    alone = [read(found, [text], 0, 1)[0] for text in TEXTS]
    for budget in (1, 20, 10_000):
        for one, other in zip(read(found, TEXTS, 0, budget), alone, strict=True):
            if one is None or other is None:
                assert one is other
                continue
            np.testing.assert_allclose(one.word_ND, other.word_ND, rtol=1e-3, atol=1e-4)
            np.testing.assert_allclose(one.vector_D, other.vector_D, rtol=1e-3, atol=1e-4)


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_in_half_precision_as_near_whatever_the_batch(one_thread: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which kernel multiplies hangs on where in memory a batch lies, so that batches differ by what bf16 rounds off; no
    batch takes a text further from its 32-bit numbers than that. Words were .021 off, vectors .008; on a busy machine a
    word was once more than .031 off.
    """
    if not torch.cpu.get_capabilities().get("avx512_bf16"):
        pytest.skip("this processor has no bf16: run it on one with avx512_bf16")
    found, exact = (
        Bert.load(TextEncoder(encoder="minilm", precision=precision), torch.device("cpu"))
        for precision in ("bf16", "fp32")
    )
    random = np.random.default_rng(1)
    vocabulary = [word for word in found.tokenizer.get_vocab() if word.isascii() and word.isalpha()]
    texts = [" ".join(random.choice(vocabulary, size)) for size in random.integers(10, 110, 24)]
    whole = read(exact, texts, 0, 100_000)
    asked, batches_ = [], bert.length_batches
    monkeypatch.setattr(bert, "length_batches", lambda *how: asked.append(how[1]) or batches_(*how))
    for budget in (1, 1100, 2000, 100_000):
        for one, other in zip(whole, read(found, texts, 0, budget), strict=True):
            assert one is not None
            assert other is not None
            for a_XD, b_XD, near in (
                (one.vector_D[None], other.vector_D[None], 2**-5),
                (one.word_ND, other.word_ND, 2**-4),
            ):
                apart_X = np.linalg.norm(a_XD.astype(float) - b_XD.astype(float), axis=1)
                assert (apart_X <= near * np.linalg.norm(a_XD.astype(float), axis=1)).all()
    assert asked == [1024, 1100, 2000, 100_000], "a batch is filled up to that many anyway"


def test_weights_are_cast_once_for_all_length_batches(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, inference = [], bert.inference
    monkeypatch.setattr(bert, "inference", lambda *how: entered.append(how) or inference(*how))
    found = load(tiny)
    assert len(list(length_batches([len(ids) for ids in found.tokenize(TEXTS, 0).ids], 20))) > 2
    read(found, TEXTS, 0, 20)
    assert entered == [(torch.device("cpu"), torch.float32)]


def test_the_limit_keeps_first_words_read_in_the_whole_text(tiny: Path) -> None:
    found = load(tiny)
    (whole,), (first,) = read(found, TEXTS[2:3], 0, 512), read(found, TEXTS[2:3], 3, 512)
    assert whole is not None
    assert first is not None
    assert first.token == whole.token[:3] == ["the", "film", "of"]
    np.testing.assert_array_equal(first.word_ND, whole.word_ND[:3])
    np.testing.assert_array_equal(first.vector_D, whole.vector_D)


def test_a_long_text_is_cut_and_counted(tiny: Path) -> None:
    found = load(tiny, tokens=8)
    (reading, short) = read(found, [TEXTS[4], "a"], 0, 512)
    assert reading is not None
    assert short is not None
    assert reading.token == ["film"] * 3
    assert found.tokenize([TEXTS[4], "a"], 0).cut == 1
    with pytest.raises(ValueError, match="reads from 3 to 64 tokens"):
        load(tiny, tokens=65)


def test_a_script_without_spaces_gives_a_word_a_character(tiny: Path) -> None:
    (reading,) = read(load(tiny), ["film 東京で x"], 0, 512)
    assert reading is not None
    assert reading.token == ["film", "東", "京", "で", "x"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("हिन्दी भाषा की फ़िल्म", ["हिन्दी", "भाषा", "की", "फ़िल्म"]),  # vowel signs belong to the word
        ("தமிழ் மொழி", ["தமிழ்", "மொழி"]),
        ("مَرْحَبًا بالعالم", ["مَرْحَبًا", "بالعالم"]),
        ("re\u0301sume\u0301, l'e\u0301te\u0301", ["re\u0301sume\u0301", "l'e\u0301te\u0301"]),
        ("ชีวิต ฿50", ["ชี", "วิ", "ต", "50"]),  # no spaces: a character with its marks
        ("東京・時々 カナ", ["東", "京", "時", "々", "カ", "ナ"]),
        ("a_b C++ \u0301 --", ["a", "b", "C"]),
    ],
)
def test_a_word_has_the_marks_of_its_letters(text: str, words: list[str]) -> None:
    assert [text[a:b] for a, b in word_spans(text)] == words


@given(st.lists(st.integers(3, 90), max_size=40), st.integers(1, 200))
def test_batches_hold_each_text_once_within_budget(lengths: list[int], budget: int) -> None:
    found = list(length_batches(lengths, budget))
    assert sorted(i for batch in found for i in batch) == list(range(len(lengths)))
    for batch in found:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= budget


def test_unknown_encoders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no encoder"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("model.safetensors", b"<html>404</html>"),
        ("model.safetensors", b""),
        ("config.json", b"[]"),
        ("config.json", b'{"model_type": 3}'),
        ("tokenizer.json", b"{}"),
    ],
)
def test_a_damaged_folder_is_refused_by_name(tiny: Path, tmp_path: Path, name: str, data: bytes) -> None:
    shutil.copytree(tiny, tmp_path / "bert")
    (tmp_path / "bert" / name).write_bytes(data)
    with pytest.raises(ValueError, match=r"no encoder '.*bert'"):
        load(tmp_path / "bert")


def test_a_folder_without_its_tokenizer_does_not_read_every_word_as_unknown(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "bert").mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(tiny / name, tmp_path / "bert")
    with pytest.raises(ValueError, match=r"bert': its tokenizer knows no words; are tokenizer\.json and vocab\.txt"):
        load(tmp_path / "bert")


SMALL = {"vocab_size": 86, "num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32}


@pytest.mark.parametrize(
    ("network", "why"),
    [
        (T5Model(T5Config(vocab_size=86, d_model=16, d_ff=32, num_layers=1, num_heads=2)), "is a t5, whose last layer"),
        (GPT2Model(GPT2Config(vocab_size=86, n_embd=16, n_layer=1, n_head=2)), "a gpt2, does not read 64 tokens"),
        (ViTModel(ViTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2)), "a vit, does not read"),
        # whose places are counted from 2 on
        (RobertaModel(RobertaConfig(**SMALL, max_position_embeddings=64)), "a roberta, does not read 64 tokens"),
        (BertModel(BertConfig(**SMALL | {"vocab_size": 20})), r"a bert, does not .* of its tokenizer \(IndexError"),
    ],
    ids=["t5", "gpt2", "vit", "roberta", "vocabulary"],
)
def test_what_is_no_bert_with_its_own_tokenizer_is_refused(
    tiny: Path, tmp_path: Path, network: PreTrainedModel, why: str
) -> None:
    shutil.copytree(tiny, tmp_path / "other")
    network.save_pretrained(tmp_path / "other")
    with pytest.raises(ValueError, match=rf"encoder '.*other',? {why}"):
        load(tmp_path / "other")


def test_weights_that_are_not_in_the_file_are_not_drawn_in_silence(tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny, tmp_path / "bert")
    kept = load_file(tmp_path / "bert" / "model.safetensors")
    lacking = {
        key: value
        for key, value in kept.items()
        if not key.endswith(("pooler.dense.bias", "layer.1.output.dense.bias"))
    }
    save_file(lacking, tmp_path / "bert" / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"lacks 1: encoder\.layer\.1\.output\.dense\.bias"):
        load(tmp_path / "bert")
    save_file({"other": torch.ones(1)}, tmp_path / "bert" / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match="its file of weights lacks"):
        load(tmp_path / "bert")


def test_no_texts_have_no_vectors(tiny: Path) -> None:
    found = load(tiny)
    for texts in ([], ["", "..."]):
        vectors = found.embed(found.tokenize(texts, 0))
        assert len(vectors.text_U) == len(vectors.word_ND) == len(vectors.vector_UD) == 0


def test_minilm_is_checked_and_knows_what_words_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    found = load("minilm", tokens=256)
    assert found.meta["sha256"] == bert.MINILM
    vectors = []
    for text in ("A spaceship crew fights aliens.", "Astronauts battle monsters from space.", "A wedding in Paris."):
        (reading,) = read(found, [text], 0, 512)
        assert reading is not None
        vector_D = reading.vector_D.astype(float)
        vectors.append(vector_D / np.linalg.norm(vector_D))
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2
    real = bert.sha256

    def damaged(path: Any) -> str:
        return real(path)[::-1]

    monkeypatch.setattr(bert, "sha256", damaged)
    with pytest.raises(ValueError, match="install the package again"):
        load("minilm", tokens=256)
