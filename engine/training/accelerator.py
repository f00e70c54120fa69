"""Where a model runs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def accelerator(device: str) -> str:
    """`auto` to what is there; of several processes on a machine each gets a card of its own.

    Raises:
        ValueError: cuda is asked for and there is none, or fewer cards than processes.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is cuda, and torch sees none; set device to auto or cpu")
    if device not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device is auto, cpu or cuda; found {device!r}")
    found = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    if found == "cuda" and "LOCAL_RANK" in os.environ:
        place, cards = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if place >= cards:
            raise ValueError(
                f"process {place + 1} of this machine has no card, torch sees {cards}: start {cards} there"
            )
        torch.cuda.set_device(place)
    return found


@contextmanager
def flushed() -> Iterator[None]:
    """Numbers under 1e-38 count as 0 in this thread and those that it starts: weights that decay towards it would make
    a processor several times slower. After it all is as it was before.
    """
    before = not (torch.full((), 1.2e-38) * 0.1).item()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)
