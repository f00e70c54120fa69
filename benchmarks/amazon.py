"""Amazon's metadata of 2014 (Python literals, gzip): our reader beside a loop that calls `eval` on every line.

    python -m benchmarks.amazon FOLDER        (a gigabyte of disk)

The file is made once from a seed (its records have the fields, lengths and quotes of the real ones; no real data) and
kept in FOLDER. `eval` is the loop that the data's own page gives, which keeps nothing; it runs here because the file
was made here. Ours reads with `ast.literal_eval` in as many processes as there are cores, checks, and keeps the
products' table, as `ingest` does. Each way runs in a process of its own on the warm file, in turns; its seconds are
wall time with its start, its memory that of its largest processes. Printed as well: what a large category takes.
"""

import argparse
import gzip
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

RECORDS, SEED = 400_000, 1
WORDS = 30_000
CATEGORY = 1_500_000  # products of a large category


def made(path: Path, count: int) -> None:
    """`count` records as Python 2 wrote them."""
    rng = np.random.default_rng(SEED)
    letters = np.array(list("etaoinshrdlucmfwypvbgkqjxz"))
    weight = 1 / (np.arange(26) + 3.0)
    words = ["".join(rng.choice(letters, n, p=weight / weight.sum())) for n in rng.integers(2, 11, WORDS)]
    special = ["it's", "don't", '7"', "&quot;fit&quot;", "women's", "caf\\xc3\\xa9", "100%", "<br>"]
    for place, word in zip(rng.choice(2_000, 16, replace=False), special * 2, strict=True):
        words[place] = word
    codes = [f"B00{n:07X}" for n in rng.integers(0, 16**7, 50_000)]
    with gzip.open(path.with_suffix(".part"), "wt", compresslevel=6, encoding="utf-8") as file:
        for number in range(count):
            file.write(record(rng, words, codes, number) + "\n")
    path.with_suffix(".part").rename(path)


def record(rng: np.random.Generator, words: list[str], codes: list[str], number: int) -> str:
    """One record: most have a title, a text and relations, a few a brand; lists are as long as the real ones."""

    def some(low: int, high: int) -> str:
        return " ".join(words[w] for w in np.minimum(rng.zipf(1.3, rng.integers(low, high)) - 1, WORDS - 1))

    found: dict[str, Any] = {"asin": f"B{number:09d}"}
    chance = rng.random(8)
    if chance[0] < 0.6:
        found["description"] = some(5, 160)
    if chance[1] < 0.95:
        found["title"] = some(3, 18)
    if chance[2] < 0.7:
        found["price"] = round(float(rng.gamma(2, 15)), 2)
    found["imUrl"] = f"http://ecx.images-amazon.com/images/I/{codes[number % len(codes)]}._SX300_.jpg"
    if chance[3] < 0.75:
        kinds = ("also_bought", "also_viewed", "bought_together", "buy_after_viewing")
        most = rng.permutation([60, 40, 3, 5])
        found["related"] = {k: [codes[c] for c in rng.integers(0, len(codes), rng.integers(1, m))]
                            for k, m in zip(kinds, most, strict=True)}  # fmt: skip
    if chance[4] < 0.6:
        found["salesRank"] = {"Clothing": int(rng.integers(1, 2_000_000))}
    if chance[5] < 0.3:
        found["brand"] = some(1, 3)
    found["categories"] = [["Clothing, Shoes & Jewelry", some(1, 2), some(1, 3)] for _ in range(rng.integers(1, 4))]
    return repr(found).replace("\\\\x", "\\x")


def ours(path: Path) -> int:
    """The products' table, whole, as ingest has it."""
    from stages.ingest.reading.stream import Limits
    from stages.ingest.sources.amazon import source

    class Section:
        metadata, release, text, bad_rows = str(path), 2014, ("title", "brand", "description"), 0.0
        limits = Limits(gigabytes=40, megabytes=4)

    return source._products(Section(), None, {}).height  # type: ignore[arg-type]


def evaluated(path: Path) -> int:
    """The loop of the data's page."""
    count = 0
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            eval(line)
            count += 1
    return count


def only(way: str, path: Path) -> None:
    """One way, in this process; prints what it took."""
    start = time.perf_counter()
    count = {"eval": evaluated, "ours": ours}[way](path)
    seconds = time.perf_counter() - start
    own, others = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = sum(use.ru_utime + use.ru_stime for use in (own, others))
    print(json.dumps({"count": count, "seconds": seconds, "processor": processor,
                      "own": own.ru_maxrss / 2**10, "child": others.ru_maxrss / 2**10}))  # fmt: skip


def main() -> None:
    """Make the file where it is not there yet, measure all ways in turns, print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--only", choices=["eval", "ours"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    path = arguments.folder / f"meta_{arguments.records}.json.gz"
    if arguments.only:
        only(arguments.only, path)
        return
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        made(path, arguments.records)
    path.read_bytes()
    runs: dict[str, list[dict[str, float]]] = {"eval": [], "ours": []}
    for _ in range(arguments.rounds):
        for way, found in runs.items():
            command = [sys.executable, "-m", "benchmarks.amazon", str(arguments.folder), "--only", way]
            done = subprocess.run([*command, "--records", str(arguments.records)], check=True, stdout=subprocess.PIPE)
            found.append(json.loads(done.stdout))
    for way, found in runs.items():
        middle = {key: statistics.median(run[key] for run in found) for key in found[0]}
        print(
            f"{way:6}{middle['count']:8.0f} records {middle['seconds']:6.2f} s,"
            f" {middle['processor']:6.2f} s of processor (each {1e6 * middle['processor'] / middle['count']:.1f} us);"
            f" peak {middle['own']:.0f} MiB, largest child {middle['child']:.0f} MiB"
        )
    for unit in ("seconds", "processor"):
        each = {way: statistics.median(run[unit] / run["count"] for run in found) for way, found in runs.items()}
        shared = os.cpu_count() or 1 if unit == "processor" else 1
        print(
            f"by {unit}: eval takes {each['eval'] / each['ours']:.2f} times as long as ours;"
            f" {CATEGORY:,} products by ours {each['ours'] * CATEGORY / shared / 60:.1f} minutes"
        )


if __name__ == "__main__":
    main()
