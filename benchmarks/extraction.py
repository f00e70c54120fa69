"""Extraction as a share of the bare forward pass of the same network, at its best batch, in the same run.

    python -m benchmarks.extraction [text pictures regions] [--precision fp32 bf16] [--seconds 15]

Bare: the network alone on inputs that are ready, in one context; each size of batch is tried for a third of `seconds`.
Extraction: the extractor of the stages from rows of a table to rows of vectors (decoding, tokenising, words, boxes),
slices made ready ahead as in a run; network and inputs are warm. Bare at its best size and extraction then take nine
turns each, by turns, a ninth of `seconds` long or one slice; their medians count. On a CUDA device with larger batches.
"""

import argparse
import io
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import polars as pl
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

from engine.features.device import inference, resolve_device
from engine.features.extractor import Extractor, ExtractorFactory, loaded
from engine.features.pictures.detector import PYRAMID
from engine.features.pictures.extractors import DetectedRegions, WholePictures
from engine.features.settings import Detection, PictureEncoder, TextEncoder
from engine.features.text.extractor import ROWS, Texts
from engine.features.text.tokens import length_batches

LIMITS = Detection(longest=400, proposals=300, overlap=0.7, class_overlap=0.3, confidence=0.0, most=36, classes=1600)
WORDS = ["a", "the", "of", "and", "in", "film", "story", "love", "war", "night", "city", "robot", "heart", "queen"]
DEVICE = resolve_device("auto")


def posters(many: int) -> pl.DataFrame:
    """Pictures of 182 x 268 as JPEG, smooth with some grain, as posters are."""
    data = []
    for item in range(many):
        random = np.random.default_rng(item)
        smooth = Image.fromarray(random.integers(0, 256, (12, 8, 3), dtype=np.uint8)).resize((182, 268))
        grain = np.asarray(smooth).astype(int) + random.integers(-12, 13, (268, 182, 3))
        out = io.BytesIO()
        Image.fromarray(grain.clip(0, 255).astype(np.uint8)).save(out, "JPEG")
        data.append(out.getvalue())
    return pl.DataFrame({"item": np.arange(1, many + 1, dtype=np.uint32), "image": data})


def overviews(many: int) -> pl.DataFrame:
    """Texts of 10 to 160 words, half of them within 50, as film overviews are."""
    random = np.random.default_rng(1)
    length = np.clip(random.lognormal(3.9, 0.5, many), 10, 160).astype(int)
    texts = [" ".join(random.choice(WORDS, size)) + "." for size in length]
    return pl.DataFrame({"item": np.arange(1, many + 1, dtype=np.uint32), "text": texts})


def rate(step: Callable[[], int], seconds: float) -> float:
    """Rows a second of a step that says how many it took."""
    done, started = 0, time.perf_counter()
    while (spent := time.perf_counter() - started) < seconds or not done:
        done += step()
        if DEVICE.type == "cuda":
            torch.cuda.synchronize()
    return done / max(spent, time.perf_counter() - started)


def extraction(extractor: Extractor, frame: pl.DataFrame) -> Callable[[], int]:
    """A step that reads one part while the next is made ready."""
    ready = [extractor.prepare(frame)]

    def step() -> int:
        ready.append(extractor.prepare(frame))
        extractor.extract(ready.pop(0))
        return frame.height

    return step


def bare_text(extractor: Any, frame: pl.DataFrame, size: int) -> Callable[[], int]:
    """The network over length-sorted batches of ids, round and round."""
    found = extractor.bert.tokenize(frame["text"].to_list(), 0)
    ready = []
    for batch in length_batches([len(ids) for ids in found.ids], size):
        padded = extractor.bert.tokenizer.pad({"input_ids": [found.ids[i] for i in batch]}, return_tensors="pt")
        ready.append((padded["input_ids"].to(DEVICE), padded["attention_mask"].to(DEVICE)))

    def step() -> int:
        with inference(DEVICE, extractor.bert.dtype):
            for ids_BL, mask_BL in ready:
                extractor.bert.network(ids_BL, mask_BL)
        return frame.height

    return step


def bare_pictures(extractor: Any, frame: pl.DataFrame, size: int) -> Callable[[], int]:
    """The network over batches of decoded pictures, round and round."""
    ready: Iterator[Any] = iter(list(extractor.embedding.decoder.batches(extractor.prepare(frame.head(size)), size)))
    picture_BHWC = next(ready)[1].to(DEVICE)

    def step() -> int:
        with inference(DEVICE, extractor.embedding.dtype):
            extractor.embedding.network(picture_BHWC)
        return len(picture_BHWC)

    return step


def line(
    what: str, precision: str
) -> tuple[ExtractorFactory, pl.DataFrame, Callable[..., Callable[[], int]], tuple[int, ...]]:
    """Factory, input, bare step and the sizes of batch to try."""
    cuda = DEVICE.type == "cuda"
    usual = {"weights": "untrained", "precision": precision}
    if what == "text":
        return Texts(TextEncoder(encoder="minilm", precision=precision), "auto"), overviews(ROWS), bare_text, (
            (16384, 65536) if cuda else (512, 1024, 2048, 4096)
        )  # fmt: skip
    if what == "pictures":
        encoder = PictureEncoder(backbone="resnet50", size=224, **usual)
        return (
            WholePictures(encoder, 1, "auto"),
            posters(512 if cuda else 64),
            bare_pictures,
            (64, 128, 256) if cuda else (2, 4, 8),
        )
    encoder = PictureEncoder(backbone=PYRAMID, size=256, **usual)
    return (
        DetectedRegions(encoder, 1, "auto", LIMITS),
        posters(64 if cuda else 4),
        bare_pictures,
        (4, 8, 16) if cuda else (1, 2),
    )


def measure(what: str, precision: str, seconds: float) -> tuple[float, float, int]:
    """Rows a second of the best bare pass and of the extraction, and the batch that was best."""
    factory, frame, bare, sizes = line(what, precision)
    with loaded(factory) as extractor:
        steps = {size: bare(extractor, frame, size) for size in sizes}
        ours = extraction(extractor, frame)
        for step in (*steps.values(), ours):
            step()
        tried = {size: rate(step, seconds / 3) for size, step in steps.items()}
        best = max(tried, key=lambda size: tried[size])
        turns = np.array([[rate(step, seconds / 9) for step in (steps[best], ours)] for _ in range(9)])
        return *np.median(turns, 0).tolist(), best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["text", "pictures", "regions"])
    half = "fp16" if DEVICE.type == "cuda" else "bf16"
    able = DEVICE.type == "cuda" or torch.cpu.get_capabilities().get("avx512_bf16")
    parser.add_argument("--precision", nargs="*", default=["fp32", half] if able else ["fp32"])
    parser.add_argument("--seconds", type=float, default=15)
    arguments = parser.parse_args()
    table = Table("what", "precision", "bare a second", "at batch", "extraction a second", "ratio")
    for what in arguments.what:
        for precision in arguments.precision:
            bare, ours, best = measure(what, precision, arguments.seconds)
            table.add_row(what, precision, f"{bare:.2f}", str(best), f"{ours:.2f}", f"{ours / bare:.3f}")
    Console(width=100).print(f"{torch.get_num_threads()} threads on {DEVICE}", table)


if __name__ == "__main__":
    main()
