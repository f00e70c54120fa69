"""Equality with a CPU and speed on one card, without data and without the network, as one JSON.

    python -m benchmarks.cuda [--device cuda] [--small] [--seconds 480] [--only equality fits …] [--out FILE]

Sections, the most important first; each is written to FILE when it is done:
equality: loss, gradient and scores of every model and its main variants, card against processor, same weights.
fits: one fit of each model in 32-true and in bf16-mixed, with the demo's shapes.
ranking: 100,000 cases among 58,098 items, through the engine's own ranks.
extraction: pictures (ResNet-50), regions and BERT through the extraction's own batches, beside the bare forward pass.
epochs: sasrec, gru4rec and ante_rnn at the size of MovieLens 1M, with and without TF32 and torch.compile.
What fails is noted and the rest goes on; the exit code is then 1. Data and weights are drawn from seeds.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.cuda import epochs, equality, extraction, fits, ranking
from benchmarks.cuda.report import Report
from engine.features.device import keep_freed_memory, resolve_device

SECTIONS: dict[str, Callable[[Report, torch.device, bool], None]] = {
    "equality": equality.run,
    "fits": fits.run,
    "ranking": ranking.run,
    "extraction": extraction.run,
    "epochs": epochs.run,
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cuda", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--small", action="store_true", help="tiny shapes, to try the benchmark itself")
    parser.add_argument("--seconds", type=float, default=480, help="what is not begun by then is skipped")
    parser.add_argument("--only", nargs="*", choices=list(SECTIONS), default=list(SECTIONS), metavar="SECTION")
    parser.add_argument("--out", type=Path, help="where the JSON is kept up to date")
    given = parser.parse_args(arguments)
    device = resolve_device(given.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        parser.error("no card: torch sees none here; --device cpu --small tries the benchmark itself")
    keep_freed_memory()
    report = Report(device, given.seconds, given.small, given.out)
    for name, run in SECTIONS.items():
        if name in given.only:
            with report.section(name):
                run(report, device, given.small)
    print(report.text())
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
