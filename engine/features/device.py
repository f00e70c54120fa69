"""Where and in which precision a network runs that is only asked, never trained."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def resolve_device(device: str) -> torch.device:
    """`auto`, `cpu` or `cuda` as a device; `auto` is the accelerator where there is one."""
    return torch.device("cuda" if device == "auto" and torch.cuda.is_available() else device.replace("auto", "cpu"))


def own_device(device: str) -> torch.device:
    """The same, of this very machine.

    Raises:
        ValueError: cuda is asked for and there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is cuda, and torch sees none; set device to auto or cpu")
    return resolve_device(device)


def resolve_dtype(precision: str, device: torch.device) -> torch.dtype:
    """`fp32`, `bf16`, `fp16`; `auto` is fp16 on CUDA, bf16 on a processor that has it, else fp32.

    Raises:
        ValueError: fp16 on a CPU.
    """
    if precision == "auto":
        able = torch.cpu.get_capabilities().get("avx512_bf16")
        precision = "fp16" if device.type == "cuda" else "bf16" if able else "fp32"
    if precision == "fp16" and device.type == "cpu":
        raise ValueError("precision fp16 is for CUDA; on a CPU take fp32, bf16 or auto")
    return _TYPES[precision]


def keep_freed_memory() -> None:
    """Let this process keep what a forward pass frees: glibc hands it back, and each page must be fetched anew.

    A hint, which other C libraries than glibc need not know (mallopt(3): M_TRIM_THRESHOLD, M_MMAP_THRESHOLD).
    """
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(-1, 2**31 - 1)
        mallopt(-3, 2**25)


@contextmanager
def inference(device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """Forward passes in `dtype`, without gradients."""
    with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=dtype is not torch.float32):
        yield


def to_half(value_XD: np.ndarray | torch.Tensor, where: str) -> np.ndarray:
    """Vectors in 16 bits; those of an accelerator are converted there. What is not finite stays so.

    Raises:
        ValueError: they do not fit 16 bits, being too large or all next to nothing.
    """
    value = torch.as_tensor(value_XD)  # which converts on all cores
    most = float(max(value.max(), -value.min())) if value.numel() else 1.0
    if not np.isfinite(most):
        most = float(value[torch.isfinite(value)].abs().max()) if bool(torch.isfinite(value).any()) else 1.0
    if not 1e-4 < most < 65504:
        raise ValueError(f"{where}: vectors up to {most:.3g} do not fit 16 bits; take other weights or another layer")
    narrow: np.ndarray = value.half().cpu().numpy()
    return narrow
