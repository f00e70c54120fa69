"""Pictures, regions and texts through the extraction's own batches, beside the bare forward pass and the peak."""

import io
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertModel, BertTokenizerFast  # type: ignore[attr-defined]
from transformers.utils import logging

from benchmarks.cuda.report import Found, Report, median_seconds, peak_memory
from engine.features.device import inference
from engine.features.pictures.embedding import PictureEmbedding, detected_regions, whole_pictures
from engine.features.settings import Detection, PictureEncoder, TextEncoder
from engine.features.text.bert import Bert
from engine.features.text.tokens import length_batches

WORDS = ["a", "the", "of", "and", "in", "film", "story", "love", "war", "night", "city", "robot", "heart", "queen"]
VOCABULARY = 30_522  # of BERT's and MiniLM's uncased tokenizer


def run(report: Report, device: torch.device, small: bool) -> None:
    """First the card's peak, which the shares are of."""
    peak = peak_operations(device, small)
    report.add("peak", {"bf16_product_teraflops": round(peak / 1e12, 3)})
    report.attempt("pictures", lambda: pictures(device, small, peak), 20)
    report.attempt("texts", lambda: texts(device, small, peak), 20)
    report.attempt("regions", lambda: regions(device, small, peak), 20)


def peak_operations(device: torch.device, small: bool) -> float:
    """Operations a second of a large product of matrices in bf16, with random entries."""
    side = 256 if small else 8192
    one, other = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * side**3 / median_seconds(lambda: one @ other, device, times=11, warm=3)


def posters(many: int) -> list[tuple[int, bytes]]:
    """Pictures of 182 x 268 as JPEG, smooth with some grain, as posters are."""
    found = []
    for item in range(1, many + 1):
        random = np.random.default_rng(item)
        smooth = Image.fromarray(random.integers(0, 256, (12, 8, 3), dtype=np.uint8)).resize((182, 268))
        grain = np.asarray(smooth).astype(int) + random.integers(-12, 13, (268, 182, 3))
        out = io.BytesIO()
        Image.fromarray(grain.clip(0, 255).astype(np.uint8)).save(out, "JPEG")
        found.append((item, out.getvalue()))
    return found


def pictures(device: torch.device, small: bool, peak: float) -> Found:
    """ResNet-50 at 224 pixels, a vector a picture."""
    encoder = PictureEncoder(
        backbone="resnet18" if small else "resnet50", weights="untrained", size=64 if small else 224
    )
    embedding = whole_pictures(encoder, 1, device)
    return embedded(embedding, posters(8 if small else 512), peak, [2] if small else [64, 128, 256, 512])


def regions(device: torch.device, small: bool, peak: float) -> Found:
    """Faster R-CNN with a pyramid, the shorter side 256 pixels, 36 regions a picture at most."""
    detection = Detection(longest=96 if small else 400, proposals=8 if small else 300, confidence=0.0)
    encoder = PictureEncoder(backbone="fasterrcnn_resnet50_fpn_v2", weights="untrained", size=64 if small else 256)
    embedding = detected_regions(encoder, 1, device, detection)
    return embedded(embedding, posters(2 if small else 64), peak, [1] if small else [4, 8, 16])


def embedded(embedding: PictureEmbedding, encoded: list[tuple[int, bytes]], peak: float, sizes: list[int]) -> Found:
    """Pictures a second: bare at its best batch, decoding alone, and both as the extraction runs them."""
    device, found = embedding.device, Found()
    decoded = {size: next(embedding.decoder.batches(embedding.decode(encoded[:size]), size))[1].to(device)
               for size in sizes if size <= len(encoded)}  # fmt: skip

    def bare(size: int) -> None:
        with inference(device, embedding.dtype):
            embedding.network(decoded[size])

    speed = {size: size / median_seconds(lambda s=size: bare(s), device) for size in decoded}  # type: ignore[misc]
    best = max(speed, key=lambda size: speed[size])
    with FlopCounterMode(display=False) as counter:
        bare(best)
    decoding = median_seconds(lambda: [future.result() for _, future in embedding.decode(encoded)], device, 5, 1)
    ready = [embedding.decode(encoded)]

    def step() -> None:
        ready.append(embedding.decode(encoded))  # the next slice is decoded while this one is in the network
        embedding.embed(ready.pop(0))

    with peak_memory(device, found):
        ours = len(encoded) / median_seconds(step, device, 5, 2)
    found |= {"bare_images_a_second": round(speed[best], 1), "bare_batch": best, "batch": embedding.batch_size}
    found |= {"decoding_images_a_second": round(len(encoded) / decoding, 1), "images_a_second": round(ours, 1)}
    return found | {"dtype": str(embedding.dtype)} | shares(ours, speed[best], counter.get_total_flops() / best, peak)


def texts(device: torch.device, small: bool, peak: float) -> Found:
    """A BERT of MiniLM's shape (6 layers, 384 wide) over texts of 10 to 160 words."""
    random, found = np.random.default_rng(1), Found()
    length = np.clip(random.lognormal(3.9, 0.5, 12 if small else 1024), 10, 160).astype(int)
    written = [" ".join(random.choice(WORDS, size)) + "." for size in length]
    with tempfile.TemporaryDirectory() as folder:
        minilm(Path(folder), small)
        bert = Bert.load(TextEncoder(encoder=folder, batch_tokens=0), device)
    tokens = bert.tokenize(written, 64)
    lengths = [len(ids) for ids in tokens.ids]
    many = sum(lengths)
    ready = []
    for batch in length_batches(lengths, max(bert.budget, bert.least)):
        padded = bert.tokenizer.pad({"input_ids": [tokens.ids[i] for i in batch]}, return_tensors="pt").to(device)
        ready.append((padded["input_ids"], padded["attention_mask"]))

    def bare() -> None:
        with inference(device, bert.dtype):
            for ids_BL, mask_BL in ready:
                bert.network(ids_BL, mask_BL)

    speed = many / median_seconds(bare, device, 5, 2)
    with FlopCounterMode(display=False) as counter:
        bare()
    tokenizing = median_seconds(lambda: bert.tokenize(written, 64), device, 3, 1)
    with peak_memory(device, found):
        ours = many / median_seconds(lambda: bert.embed(tokens), device, 5, 2)
        with ThreadPoolExecutor(1) as pool:  # as the extraction does on a card: the next texts are tokenised meanwhile
            ahead = [pool.submit(bert.tokenize, written, 64)]

            def step() -> None:
                ahead.append(pool.submit(bert.tokenize, written, 64))
                bert.embed(ahead.pop(0).result())

            whole = many / median_seconds(step, device, 5, 2)
    found |= {"texts": len(written), "tokens": many, "batch_tokens": bert.budget, "dtype": str(bert.dtype)}
    found |= {"bare_tokens_a_second": round(speed), "tokens_a_second": round(whole)}
    found |= {"tokenizing_tokens_a_second": round(many / tokenizing), "embedding_tokens_a_second": round(ours)}
    return found | shares(whole, speed, counter.get_total_flops() / many, peak)


def minilm(folder: Path, small: bool) -> None:
    """A tokenizer of whole words and drawn weights, as a folder that transformers reads."""
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", *WORDS]
    vocabulary = marks + [f"unused{i}" for i in range(VOCABULARY - len(marks))]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(1)
    wide = (32, 2, 2, 64) if small else (384, 6, 12, 1536)
    config = BertConfig(
        vocab_size=VOCABULARY, hidden_size=wide[0], num_hidden_layers=wide[1], num_attention_heads=wide[2],
        intermediate_size=wide[3], max_position_embeddings=512,
    )  # fmt: skip
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    BertModel(config).save_pretrained(folder)


def shares(ours: float, bare: float, operations: float, peak: float) -> Found:
    """Of the bare forward pass, and of the card's peak, by the operations of one picture or token."""
    part: Callable[[float], float] = lambda speed: round(speed * operations / peak, 4)  # noqa: E731
    return {"share_of_bare": round(ours / bare, 3), "share_of_peak": part(ours), "bare_share_of_peak": part(bare)}
