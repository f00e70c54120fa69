"""A ratings file as long as MovieLens's longest, to events.parquet: our whole ingest beside pandas' C reader.

    python -m benchmarks.ingest FOLDER        (pip install -r benchmarks/requirements.txt; 3 GB of disk, 6 GB of memory)

The file is made once (27,753,444 rows, zipf-like items, no real data) and kept in FOLDER. Each way runs in a process of
its own on the warm file, in turns; seconds and peak memory (resident, with the pages of mapped files) are its own.
pandas reads, codes, sorts each user by time and writes zstd Parquet. Ours does that and more: it checks every row,
looks for duplicates, drops short histories, breaks ties by hash, counts, and writes the stage's other tables.
On a busy machine only the ratio of processor seconds says something; `wall` needs both cores for itself.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
from ruamel.yaml import YAML

ROWS, USERS, ITEMS, LAST_ID, TIED = 27_753_444, 283_228, 58_098, 193_886, 0.23
LEVEL = 3  # of zstd, as polars writes it


def pairs(rng: np.random.Generator) -> np.ndarray:
    """(user, rank of the item) as user << 16 | rank, each once, sorted; log-normal histories, zipf-like items."""
    weight = rng.lognormal(0, 1.45, USERS)
    popularity = 1 / (np.arange(ITEMS) + 30.0)
    popularity_edges = np.cumsum(popularity / popularity.sum())
    found = (np.arange(USERS, dtype=np.uint64) << np.uint64(16)) | np.uint64(0)
    while len(found) < ROWS:
        draws = int((ROWS - len(found)) * 1.3) + 1000
        user = rng.choice(USERS, draws, p=weight / weight.sum()).astype(np.uint64)
        rank = np.searchsorted(popularity_edges, rng.random(draws)).clip(0, ITEMS - 1).astype(np.uint64)
        found = np.unique(np.concatenate([found, (user << np.uint64(16)) | rank]))
    return np.sort(rng.permutation(found)[:ROWS])


def make(folder: Path) -> None:
    """Write ratings.csv, movies.csv and links.csv in MovieLens's layout."""
    rng = np.random.default_rng(1)
    key = pairs(rng)
    movies = np.sort(rng.choice(np.arange(1, LAST_ID + 1), ITEMS, replace=False))
    user, item = (key >> np.uint64(16)).astype(np.int64), rng.permutation(movies)[(key & np.uint64(0xFFFF)).astype(int)]
    gap = rng.exponential(40, ROWS).astype(np.int64) + 1
    gap[rng.random(ROWS) < TIED * 0.6] = 0
    elapsed = np.cumsum(gap)
    first = np.searchsorted(user, np.arange(USERS))
    first = first[first < ROWS]
    start = np.zeros(USERS, np.int64)
    start[user[first]] = rng.integers(800_000_000, 1_500_000_000, len(first)) - elapsed[first]
    frame = pl.DataFrame({"userId": user + 1, "order": rng.random(ROWS), "movieId": item})
    frame = frame.with_columns(
        rating=pl.Series(rng.integers(1, 11, ROWS) / 2), timestamp=pl.Series(elapsed + start[user])
    )
    folder.mkdir(parents=True, exist_ok=True)
    titles = [f"Film number {m} (1999)" for m in movies]
    pl.DataFrame({"movieId": movies, "title": titles, "genres": "Comedy|Drama"}).write_csv(folder / "movies.csv")
    pl.DataFrame({"movieId": movies, "imdbId": movies + 100_000, "tmdbId": movies + 7}).write_csv(folder / "links.csv")
    # within a user MovieLens sorts by movie, so times come shuffled
    shuffled = frame.sort("userId", "order").select("movieId")
    frame = frame.with_columns(shuffled).drop("order").sort("userId", "movieId")
    frame.write_csv(folder / "ratings.part")
    (folder / "ratings.part").rename(folder / "ratings.csv")


def ours(folder: Path) -> None:
    """The stage as `dvc repro` runs it, with the settings of params.yaml's movielens section."""
    from engine.tables.layout import Layout
    from stages.ingest.__main__ import Params, main

    section = YAML(typ="safe").load(Path("params.yaml"))["datasets"]["movielens"]
    section |= {"release": "ml-latest", "folder": str(folder)}
    params = Params.model_validate({"dataset": {"name": "movielens", "settings": section}, "seed": 1})
    main(params, Layout(folder / "ours", ""))


def pandas(folder: Path) -> None:
    """The same columns by pandas: its C reader, codes, a sort by user and time, zstd Parquet of the same level."""
    import pandas as pd

    frame = pd.read_csv(folder / "ratings.csv", engine="c").set_axis(["user", "item", "rating", "time"], axis=1)
    for column in ("user", "item"):
        frame[column] = (pd.factorize(frame[column], sort=True)[0] + 1).astype("uint32")
    frame["rating"] = frame["rating"].astype("float32")
    frame["time"] = pd.to_datetime(frame["time"], unit="s", utc=True)
    frame = frame.sort_values(["user", "time"], ignore_index=True)
    frame.to_parquet(folder / "pandas.parquet", compression="zstd", compression_level=LEVEL, index=False)


def measured(way: str, folder: Path) -> dict[str, float]:
    """One way in a child of its own: seconds from start to exit, peak resident memory in GiB."""
    start = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-m", "benchmarks.ingest", str(folder), "--only", way])
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"{way} ended with status {status}")
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "processor": usage.ru_utime + usage.ru_stime, "gibibytes": usage.ru_maxrss / 2**20}


def main() -> None:
    """Make the file where it is not there yet, measure both ways in turns, print the medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["ours", "pandas"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        {"ours": ours, "pandas": pandas}[arguments.only](arguments.folder)
        return
    if not (arguments.folder / "ratings.csv").exists():
        make(arguments.folder)
    (arguments.folder / "ratings.csv").read_bytes()  # both find the file in the page cache
    runs: dict[str, list[dict[str, float]]] = {"ours": [], "pandas": []}
    for _ in range(arguments.rounds):
        for way, found in runs.items():
            found.append(measured(way, arguments.folder))
    middle = {w: {k: statistics.median(run[k] for run in found) for k in found[0]} for w, found in runs.items()}
    print(json.dumps(runs, indent=1))
    for way, found in middle.items():
        peak = max(run["gibibytes"] for run in runs[way])
        print(f"{way:7} {found['seconds']:6.1f} s, {found['processor']:6.1f} s of processor, at most {peak:.2f} GiB")
    ratio = {k: middle["pandas"][k] / middle["ours"][k] for k in ("seconds", "processor")}
    print(f"ratio   {ratio['seconds']:6.2f}   {ratio['processor']:6.2f}")


if __name__ == "__main__":
    main()
