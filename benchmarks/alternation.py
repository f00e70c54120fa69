"""Ways of doing the same, measured in turns: what else the machine does then slows all of them alike."""

import os
import platform
import re
import statistics
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import torch

ROUNDS = 5


def spread(values: Sequence[float], form: str = ".2f") -> str:
    """The median, with the lowest and the highest."""
    low, middle, high = (format(f(values), form) for f in (min, statistics.median, max))
    return f"{middle} ({low} to {high})"


def ratio(values: Sequence[float], base: Sequence[float]) -> str:
    """The spread of `values` over `base`, round by round."""
    return spread([value / other for value, other in zip(values, base, strict=True)])


def circumstances(rounds: int) -> str:
    """What belongs beside every figure: alternations, day, machine, and how busy it is."""
    file = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", file.read_text()) if file.exists() else None
    name = found[1] if found else platform.processor() or platform.machine()
    busy = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    cores = f"{os.cpu_count()} cores, {torch.get_num_threads()} threads"
    return f"{rounds} alternations, {date.today().isoformat()}, {name}, {cores}{busy}"
