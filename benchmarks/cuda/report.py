"""What was found, section by section, kept in a file as it grows; and clocks that wait for the card."""

import json
import logging
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

Found = dict[str, Any]


class Report:
    """Readings by section and entry; `failed` and `skipped` name entries."""

    def __init__(self, device: torch.device, seconds: float, small: bool, out: Path | None):
        self.started, self.seconds, self.out = time.monotonic(), seconds, out
        self.failed: list[str] = []
        self.skipped: list[str] = []
        self.current = ""
        self.sections: dict[str, Found] = {}
        self.about: Found = {
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "cpu",
            "torch": torch.__version__,
            "cuda": torch.version.cuda,
            "threads": torch.get_num_threads(),
            "small": small,
            "weights": "drawn from seeds: nothing is pretrained",
        }
        logging.disable(logging.INFO)

    @property
    def left(self) -> float:
        """Seconds until nothing more is begun."""
        return self.seconds - (time.monotonic() - self.started)

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """The entries that are added inside belong to `name`; an error ends the section, not the benchmark."""
        self.current, began = name, time.monotonic()
        self.sections[name] = {}
        try:
            yield
        except Exception as error:
            self.add("error", _told(error))
            self.failed.append(name)
        self.sections[name]["seconds_taken"] = round(time.monotonic() - began, 1)
        self._write()
        print(f"{name}: {self.sections[name]['seconds_taken']} s, {self.left:.0f} s left", file=sys.stderr)

    def add(self, name: str, value: Any) -> None:
        """An entry of the current section."""
        self.sections[self.current][name] = value

    def attempt(self, name: str, measure: Callable[[], Found], need: float = 1.0) -> Found:
        """Add what `measure` finds, or its error, and give it; skipped when fewer than `need` seconds are left."""
        full = f"{self.current}.{name}"
        if self.left < need:
            self.skipped.append(full)
            self.add(name, {"skipped": f"{max(self.left, 0):.0f} s left of {self.seconds:.0f}"})
            return {}
        try:
            found = measure()
        except Exception as error:
            self._fail(name, error)
            return {}
        self.add(name, found)
        if found.get("equal") is False or found.get("sound") is False:
            self.failed.append(full)
        self._write()
        return found

    def text(self) -> str:
        """The whole as JSON."""
        ended = {"failed": self.failed, "skipped": self.skipped, "seconds": round(time.monotonic() - self.started, 1)}
        return json.dumps({**self.about, **ended, **self.sections}, indent=1)

    def _fail(self, name: str, error: Exception) -> None:
        self.add(name, {"error": _told(error)})
        self.failed.append(f"{self.current}.{name}")
        self._write()

    def _write(self) -> None:
        if self.out is not None:
            self.out.write_text(self.text() + "\n", encoding="utf-8")


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:2000]


def wait(device: torch.device) -> None:
    """Until the card has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def median_seconds(step: Callable[[], Any], device: torch.device, times: int = 7, warm: int = 2) -> float:
    """The median of some runs of a step, after some that warm it up; on a processor, one run."""
    times, warm = (times, warm) if device.type == "cuda" else (1, 0)
    taken = []
    for number in range(warm + times):
        wait(device)
        began = time.perf_counter()
        step()
        wait(device)
        if number >= warm:
            taken.append(time.perf_counter() - began)
    return statistics.median(taken)


@contextmanager
def peak_memory(device: torch.device, found: Found) -> Iterator[None]:
    """`peak_gib` of the card in `found` when the block ends; of a processor nothing."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    yield
    if device.type == "cuda":
        found["peak_gib"] = round(torch.cuda.max_memory_allocated(device) / 2**30, 3)


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Products of 32-bit numbers with or without TF32, inside."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


@contextmanager
def plain_bf16(device: torch.device) -> Iterator[None]:
    """On a processor without bf16, torch's own kernels in place of oneDNN's, which then has no LSTM in it."""
    onednn: Any = torch.backends.mkldnn
    before = onednn.enabled
    able = device.type != "cpu" or torch.cpu.get_capabilities().get("avx512_bf16")
    onednn.enabled = before and bool(able)
    try:
        yield
    finally:
        onednn.enabled = before
